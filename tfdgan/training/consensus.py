"""The consensus of a job: the mean over learners of weights and of their running average.

Under the strategy `local` learners have nothing in common but their start, and a mean of such weights is no
model; there the first learner's weights stand for the job, and labels say so.
"""

import horovod.tensorflow as hvd
import numpy as np

from tfdgan import distributed
from tfdgan.errors import UserError
from tfdgan.metrics import consensus as metric
from tfdgan.training import checkpoints

_GROUPS = ("model/generator", "model/critic", "model/classifier", "average/generator")


def gather(trainer, config):
    """({name: array}, distance): every floating variable's mean over learners, and the exact consensus distance.

    What is no floating number (random states) is this learner's own. Under `local` every floating variable is the
    first learner's, on all of them. Job-wide; all learners call it together.
    """
    named = dict(checkpoints.named({group: trainer.state[group] for group in _GROUPS if group in trainer.state}))
    values = {name: np.asarray(variable) for name, variable in named.items()}
    floating = [name for name, value in values.items() if value.dtype.kind == "f"]
    means = dict(zip(floating, distributed.mean([values[name] for name in floating], "consensus"), strict=True))
    mixed = {id(v) for player in trainer.players for v in player.variables}
    square = sum(
        np.sum(np.square(values[name].astype(np.float64) - means[name]))
        for name in floating
        if id(named[name]) in mixed
    )
    distance = metric.distance(distributed.gather_vector([square], "consensus.squares")[:, 0])
    if config.strategy == "local":
        first = hvd.rank() == distributed.ranks()[0]
        mine = [values[name] if first else np.zeros_like(values[name]) for name in floating]
        means = dict(zip(floating, distributed.total(mine, "consensus.first"), strict=True))
    return {**values, **means}, distance


def start_from(trainer, stored_in, step):
    """Take the consensus of `step`, as rank 0's `Checkpoints` has it, as every learner's start: no history."""
    groups = {group: trainer.state[group] for group in _GROUPS if group in trainer.state}
    with distributed.together():
        if hvd.rank() == 0:
            checkpoints.restore(groups, stored_in.consensus(step), stored_in.folder(step))
    distributed.broadcast_to_all([v for variables in groups.values() for v in variables])
    trainer.draw_apart(hvd.rank())
    trainer.forget_mixing()


def sampler(generator, task, stored):
    """The task's sampler of a stored or gathered consensus: of the running average if there is one."""
    config = task.config
    group = "average/generator" if config.ema_decay else "model/generator"
    values = [value for name, value in stored.items() if name.startswith(group + "/")]
    if len(values) != len(generator.variables):
        raise UserError(
            f"the stored generator has {len(values)} variables, this model {len(generator.variables)}: "
            "it is a checkpoint of another model"
        )
    count = len(generator.trainable_variables)
    if not config.ema_decay:  # stored in the model's own order, which mixes trainable and other variables
        trainable = {id(v) for v in generator.trainable_variables}
        order = sorted(range(len(values)), key=lambda i: id(generator.variables[i]) not in trainable)
        values = [values[i] for i in order]
    label = ("learner 0" if config.strategy == "local" else "consensus") + (" EMA" if config.ema_decay else "")
    return task.sampler(generator, (values[:count], values[count:]), label)
