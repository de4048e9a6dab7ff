"""What a workdir holds, for the commands that use a trained generator."""

from tfdgan import flagfiles, tasks
from tfdgan.errors import UserError
from tfdgan.training import best, consensus, kept
from tfdgan.training.checkpoints import Checkpoints


class Trained:
    """The consensus generators of a workdir.

    Args:
      workdir: as `train` was given it, on rank 0's host.
      **changes: fields of the `Config` to change, e.g. inception.

    Attributes:
      task: what `tasks.make` makes, its models built by the first call of `sampler`.
    """

    def __init__(self, workdir, **changes):
        self._config = flagfiles.load(workdir, **changes)
        if self._config.model == "given":
            given = "its models were passed in from Python; name them by --model=package.module:factory"
            raise UserError(f"--workdir={workdir}: {given}")
        self._workdir, self._checkpoints = workdir, Checkpoints(workdir, rank=0, size=1, keep=1)
        self.task, self._generator = tasks.make(self._config), None

    @property
    def steps(self):
        """Ascending steps of the checkpoints that are kept."""
        return self._checkpoints.committed()

    def find(self, step=None):
        """(step, consensus, manifest) of a kept checkpoint by its number, "best" or "pretrained"; None: the newest."""
        if step in ("best", "pretrained"):
            record, stored = best.load(self._workdir) if step == "best" else kept.load_pretrained(self._workdir)
            return record["step"], stored, record["manifest"]
        steps = self.steps
        if not steps:
            raise UserError(f"--workdir={self._workdir}: has no checkpoint yet")
        if step is not None and str(step) not in map(str, steps):
            raise UserError(f"--step={step}: not kept; there are {', '.join(map(str, steps))}, or best or pretrained")
        step = steps[-1] if step is None else int(step)
        return step, self._checkpoints.consensus(step), self._checkpoints.manifest(step)

    def sampler(self, stored, manifest):
        """The `Sampler` of a consensus that `find` found."""
        if self._generator is None:
            self._generator, _ = self.task.rebuild(manifest)
        return consensus.sampler(self._generator, self.task, stored)


def load(workdir, step=None, **changes):
    """(task, sampler, step) of a workdir at `step`: as `Trained.find` takes it."""
    trained = Trained(workdir, **changes)
    step, stored, manifest = trained.find(step)
    return trained.task, trained.sampler(stored, manifest), step
