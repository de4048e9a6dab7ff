"""What a workdir holds, for the commands that use a trained generator: no launcher, one process."""

from tfdgan import config as configuration
from tfdgan import tasks
from tfdgan.errors import UserError
from tfdgan.training import consensus
from tfdgan.training.checkpoints import Checkpoints


def load(workdir, step=None, **changes):
    """(task, sampler, step): the consensus generator of a workdir at `step`, by default its newest checkpoint.

    Args:
      workdir: as `train` was given it, on rank 0's host.
      step: one of the kept checkpoints, or None.
      **changes: fields of the `Config` to change, e.g. inception.
    """
    config = configuration.load(workdir, **changes)
    if config.model == "given":
        raise UserError(
            f"--workdir={workdir}: its models were passed in from Python; name them by --model=package.module:factory"
        )
    checkpoints = Checkpoints(workdir, rank=0, size=1, keep=1)
    committed = checkpoints.committed()
    if not committed:
        raise UserError(f"--workdir={workdir}: has no checkpoint yet")
    if step is not None and step not in committed:
        raise UserError(f"--step={step}: not kept; there are {', '.join(map(str, committed))}")
    step = committed[-1] if step is None else step
    task, manifest = tasks.make(config), checkpoints.manifest(step)
    generator, _ = task.build_models(tuple(manifest["sample_shape"]), manifest.get("classes"))
    return task, consensus.sampler(generator, config, checkpoints.consensus(step), task.classes), step
