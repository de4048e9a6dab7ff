"""A learner whose gradients are NaN or Inf goes on from where the others are."""

from collections.abc import Collection

import numpy as np

from tfdgan import distributed
from tfdgan.distributed import collectives
from tfdgan.training import checkpoints
from tfdgan.training.trainer import Trainer


def set_back(trainer: Trainer, faulty: Collection[int]) -> bool:
    """Give the learners in `faulty` the mean over the others of all floating state: weights, averages, slots.

    All learners call it together. What strategies keep of earlier steps begins anew on every learner. Random states and
    counters stay. Memory: a copy of the state, and of its sum.

    Returns:
      False, and nothing is changed, if no other learner is left.
    """
    variables = [variable for _, variable in checkpoints.named(trainer.state)]
    values = {index: value for index, v in enumerate(variables) if (value := np.asarray(v)).dtype.kind == "f"}
    is_faulty = distributed.rank() in faulty
    mine = [np.zeros_like(value) if is_faulty else value for value in values.values()]
    while True:  # again if somebody is lost meanwhile, whose part would be in some sums only
        ranks = collectives.ranks()
        sums = collectives.total(mine, "set_back")
        if collectives.ranks() == ranks:
            break
    healthy = len(set(ranks) - set(faulty))
    if not healthy:
        return False
    if is_faulty:
        for index, total in zip(values, sums, strict=True):
            variables[index].assign((total.astype(np.float64) / healthy).astype(total.dtype))
        trainer.fault_step.assign(-1)
    trainer.reset_strategies()
    return True
