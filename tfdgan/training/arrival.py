"""How a process takes a place in a running job: the part of the learner that comes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfdgan import distributed
from tfdgan.distributed import collectives
from tfdgan.distributed.visit import Visit
from tfdgan.gossip.native import bootstrap
from tfdgan.gossip.native.assembly import Assembly
from tfdgan.training import checkpoints
from tfdgan.training.trainer import SEED_STATE, Trainer


class Arrived(NamedTuple):
    """A learner that has come in.

    Attributes:
      assembly: carries what learners agree on.
      step: steps that the job has done.
      batches: iterator of the data from there on.
      memory: what the others remember of the run.
      appointed: who else is let in after which step, as `Admission.open` takes it.
      megabytes: of the state that came.
    """

    assembly: Assembly
    step: int
    batches: Any
    memory: dict[str, Any]
    appointed: dict[int, Any]
    megabytes: float


def arrive(visit: Visit, trainer: Trainer, batches_from: Callable[[int], Any]) -> Arrived:
    """Trace the step, take a neighbour's state, and come in; returns when the job has let this learner in.

    Random states stay this learner's own. Nobody waits meanwhile: the first step is taken with all others absent.

    Args:
      batches_from: function from a step to an iterator of this learner's data from there on.
    """
    begun = visit.told["step"]
    trainer.steps(begun, 1, batches_from(begun))
    own = [(v, np.array(v)) for variables in trainer.state.values() for v in variables if v.name == SEED_STATE]
    visit.ready(bootstrap.running().learners[distributed.rank()])
    state = visit.state()
    checkpoints.restore(trainer.state, state, "the state of the learner at {}:{}".format(*visit.host))
    for variable, value in own:
        variable.assign(value)
    trainer.fault_step.assign(-1)
    step = visit.loaded()
    trainer.continue_from(step)
    batches = batches_from(step)
    told = visit.entered()
    megabytes = sum(array.nbytes for array in state.values()) / 1e6
    return Arrived(_come_in(trainer, told), step, batches, told["memory"], told["appointed"], megabytes)


def _come_in(trainer: Trainer, told: dict[str, Any]) -> Assembly:
    """Mix with the others from now on."""
    others = [rank for rank in told["ranks"] if rank != distributed.rank()]
    bootstrap.readmit({rank: told["learners"][rank] for rank in others}, told["first"])
    assembly = Assembly(bootstrap.running().settings.gossip_timeout, degrade=True, absent=told["lost"])
    assembly.readmit([], told["first"])
    collectives.gather_by(assembly)
    collectives.meet_by(None)
    trainer.restrict_to(assembly.ranks)
    trainer.reset_strategies()
    return assembly


def state_of(trainer: Trainer) -> dict[str, np.ndarray]:
    """A copy of all that `arrive` takes: {name: array}."""
    return {name: np.array(tf.convert_to_tensor(variable)) for name, variable in checkpoints.named(trainer.state)}
