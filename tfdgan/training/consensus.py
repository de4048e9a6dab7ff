"""The consensus of a job: the mean over learners of weights and of their running average.

Learners that share nothing (`local`) have nothing in common but their start, and a mean of such weights is no model.
There the first learner's weights stand for the job, and labels say so.
"""

import dataclasses
from typing import Any

import keras
import numpy as np

from tfdgan import distributed
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.metrics import consensus_distance
from tfdgan.training import checkpoints
from tfdgan.training.checkpoints import Checkpoints
from tfdgan.training.consensus_file import Consensus
from tfdgan.training.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class Kind:
    """Which weights stand for the job.

    Attributes:
      shared: True for the mean over learners, False for the first learner's weights.
      averaged: whether the generator's running average is what is scored and exported.
      recalibrated: from how many batches the statistics of batch norm are estimated anew; 0: they stay.
    """

    shared: bool
    averaged: bool
    recalibrated: int = 0

    @property
    def label(self) -> str:
        """Stands in every score's signature."""
        statistics = f" with statistics of {self.recalibrated} batches" if self.recalibrated else ""
        return ("consensus" if self.shared else "learner 0") + (" EMA" if self.averaged else "") + statistics


def gather(trainer: Trainer, shared: bool = True) -> tuple[Consensus, float]:
    """({name: array}, distance): every floating variable's mean over learners, and the exact consensus distance.

    What is no floating number (random states) is this learner's own. Unless `shared`, every floating variable is the
    first learner's, on all of them. Job-wide; all learners call it together.
    """
    named = dict(checkpoints.named(_groups(trainer)))
    values = {name: np.asarray(variable) for name, variable in named.items()}
    floating = [name for name, value in values.items() if value.dtype.kind == "f"]
    means = dict(zip(floating, collectives.mean([values[name] for name in floating], "consensus"), strict=True))
    mixed = {id(v) for player in trainer.players for v in player.variables}
    square = sum(
        np.sum(np.square(values[name].astype(np.float64) - means[name]))
        for name in floating
        if id(named[name]) in mixed
    )
    distance = consensus_distance.distance(collectives.gather_vector([square], "consensus.squares")[:, 0])
    if not shared:
        first = None
        while first != collectives.ranks()[0]:  # again if the first is lost meanwhile
            first = collectives.ranks()[0]
            mine = [values[name] if distributed.rank() == first else np.zeros_like(values[name]) for name in floating]
            means = dict(zip(floating, collectives.total(mine, "consensus.first"), strict=True))
    return {**values, **means}, distance


def start_from(trainer: Trainer, stored_in: Checkpoints, found: checkpoints.Found) -> None:
    """Take the consensus of a checkpoint, as its holder has it, as every learner's start: no history."""
    groups = _groups(trainer)
    with collectives.together():
        if distributed.rank() == found.holder:
            checkpoints.restore(groups, stored_in.consensus(found.step), stored_in.folder(found.step))
    collectives.broadcast_to_all([v for variables in groups.values() for v in variables], found.holder)
    trainer.reseed_for_learner(distributed.rank())
    trainer.reset_strategies()


def _groups(trainer: Trainer) -> dict[str, list[Any]]:
    """{group: variables} of the players' nets and of the running average."""
    names = {*(f"model/{player.name}" for player in trainer.players), "average/generator"}
    return {group: variables for group, variables in trainer.state.items() if group in names}


def generator_weights(
    generator: keras.Model, stored: Consensus, averaged: bool
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(trainable, other) weights of a generator in the model's order, from a stored or gathered consensus.

    Args:
      generator: the model, built.
      stored: {name: array}.
      averaged: whether they are those of the running average.

    Raises:
      UserError: the consensus is another model's.
    """
    trainable, others = generator_names(generator, stored, averaged)
    return [stored[name] for name in trainable], [stored[name] for name in others]


def generator_names(generator: keras.Model, stored: Consensus, averaged: bool) -> tuple[list[str], list[str]]:
    """The names in a consensus of what `generator_weights` gives, which has these arguments and errors."""
    group = "average/generator" if averaged else "model/generator"
    names = [name for name in stored if name.startswith(group + "/")]
    if len(names) != len(generator.variables):
        raise UserError(
            f"the stored generator has {len(names)} variables, this model {len(generator.variables)}: "
            "it is a checkpoint of another model"
        )
    if not averaged:  # stored in the model's own order, which mixes trainable and other variables
        trainable = {id(v) for v in generator.trainable_variables}
        order = sorted(range(len(names)), key=lambda i: id(generator.variables[i]) not in trainable)
        names = [names[i] for i in order]
    count = len(generator.trainable_variables)
    return names[:count], names[count:]
