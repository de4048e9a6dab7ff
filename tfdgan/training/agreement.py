"""A picture of whether learners agree: what the consensus makes of a few inputs, and what each learner makes of them.

Each learner draws its own row by its own generator and tells the others; whoever writes puts the rows under each other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np

from tfdgan import distributed
from tfdgan.distributed import collectives
from tfdgan.training import recalibration
from tfdgan.training.consensus import Kind
from tfdgan.training.trainer import Trainer

TAG = "learners"  # in TensorBoard
_MOST = 8  # learners that are shown
_GAP, _WHITE, _GREY = 6, 255, 96  # pixels between the consensus and learners; its shade; that of who is not there


class Compared(Protocol):
    """What `rows` and `drawn` need of a task; `tasks.Task` documents it."""

    @property
    def classes(self) -> int | None:
        """How many labels there are, of a conditional generator."""

    def sampler(self, generator: keras.Model, weights: tuple[Sequence[Any], Sequence[Any]], label: str) -> Any:
        """The sampler of a generator under some weights."""

    def row(self, sampler: Any, seed: int) -> np.ndarray | None:
        """A few samples as a small picture, uint8 [h, w, 1 or 3]; None: there is no way."""


class Picture(NamedTuple):
    """A picture, uint8 [h, w, 1 or 3], and what it shows, in words."""

    image: np.ndarray
    description: str


def rows(task: Compared, trainer: Trainer, kind: Kind, seed: int) -> dict[int, np.ndarray]:
    """{learner: its row} of the first learners, each from the same inputs.

    Empty in a job of one learner, and where the task has no rows. All learners call it together.

    Args:
      kind: of the consensus that the rows will stand beside: learners' weights are taken alike.
      seed: of the inputs, and of the batches that statistics of batch norm are estimated from.
    """
    if distributed.size() == 1:
        return {}
    mine = None
    with collectives.together():
        if distributed.rank() < _MOST:
            sampler = task.sampler(trainer.generator, _own_weights(task, trainer, kind, seed), "one learner")
            mine = task.row(sampler, seed)
    everyone = collectives.gather(mine, "agreement.rows")
    pairs = zip(collectives.ranks(), everyone, strict=True)
    return {rank: row for rank, row in pairs if row is not None}


def _own_weights(
    task: Compared, trainer: Trainer, kind: Kind, seed: int
) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """(trainable, other) weights of this learner's generator, as the consensus has those of all."""
    generator, average = trainer.generator, trainer.average
    groups = generator.trainable_variables, generator.non_trainable_variables
    if kind.averaged and average:
        groups = average.trainable, average.non_trainable
    trainable, others = ([np.asarray(variable) for variable in group] for group in groups)
    if kind.recalibrated:
        inputs = recalibration.generator_inputs(trainer, seed, task.classes)
        others = recalibration.alone(generator, trainable, others, inputs, kind.recalibrated)
    return trainable, others


def drawn(task: Compared, sampler: Any, seed: int, shown: Mapping[int, np.ndarray]) -> Picture | None:
    """The picture: the consensus, then the learners. None if no row was shown.

    Each learner has its place as long as the job goes on, a grey one while it is not there: TensorBoard keeps only the
    first description of a tag. Rows that are wider than high stand under each other, others side by side.

    Args:
      sampler, seed: of the consensus; as `rows` takes it.
      shown: what `rows` has returned.
    """
    consensus = task.row(sampler, seed) if shown else None
    if consensus is None:
        return None
    absent = np.full_like(consensus, _GREY)
    learners = range(min(distributed.size(), _MOST))
    height, width, channels = consensus.shape
    wide = width > height
    gap = np.full((_GAP, width, channels) if wide else (height, _GAP, channels), _WHITE, np.uint8)
    image = np.concatenate([consensus, gap, *(shown.get(rank, absent) for rank in learners)], axis=0 if wide else 1)
    names = ", ".join(f"learner {rank}" for rank in learners)
    way = "Rows, from the top" if wide else "From left to right"
    return Picture(
        image,
        f"{way}: {sampler.label}, {names}; the same inputs for all. Where learners agree, all look alike. "
        "A learner that is lost is grey.",
    )
