"""Scores of a consensus, its samples shared out among the learners."""

import sys
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from tfdgan import distributed
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.metrics import Score


class Progress(Protocol):
    """Shows how far something has come, such as a progress bar."""

    def __call__(self, items: Iterable, length: int, what: str) -> Iterable:
        """The items, `length` of them, which are called `what`."""


class Scored(Protocol):
    """What `score` needs of a task; `tasks.Task` documents it."""

    @property
    def digest(self) -> str:
        """A text; it is another one if the numbers in samples mean something else."""

    @property
    def judges(self) -> list[str]:
        """Names and digests of what judges samples."""

    @property
    def knows_real(self) -> bool:
        """True if `measure` need not look at the real data."""

    def measure(
        self,
        sampler: Any,
        number: int | None,
        seed: int,
        part: tuple[int, int],
        *,
        real: bool,
        thorough: bool,
        progress: Progress,
    ) -> dict[str, np.ndarray]:
        """{name: array} of a part of the samples; the parts' arrays add up."""

    def scores(self, sums: dict[str, np.ndarray], sampler: Any, number: int | None, seed: int) -> list[Score]:
        """The scores, from the sums over all parts."""


def no_progress(items: Iterable, length: int, what: str) -> Iterable:
    """The items as they are: a `Progress` that shows nothing."""
    del length, what
    return items


def score(
    task: Scored,
    sampler: Any,
    number: int | None = None,
    seed: int = 0,
    *,
    thorough: bool = False,
    progress: Progress | None = None,
) -> list[Score]:
    """A list of `Score` on the first learner, an empty one on the others; all learners call it together.

    Each learner generates and measures its part, and the measures are summed over learners. So scores depend on the
    number of learners by the order of sums only. If a learner is lost meanwhile, the others begin again.

    Args:
      task, sampler, number, seed, thorough: as `task.measure` takes them; one sampler everywhere.
      progress: as `task.measure` takes it, for learner 0; None: no progress is shown.
    """
    scores: list[Score] = []
    ranks = None
    while ranks != collectives.ranks():
        sums, ranks = _measured(task, sampler, number, seed, thorough, progress)
        if ranks != collectives.ranks():
            continue
        with collectives.together():
            scores = task.scores(sums, sampler, number, seed) if distributed.rank() == ranks[0] else []
    return scores


def _measured(
    task: Scored, sampler: Any, number: int | None, seed: int, thorough: bool, progress: Progress | None
) -> tuple[dict[str, np.ndarray], list[int]]:
    """({name: sum over learners}, the learners that were there at the beginning)."""
    known = judges = None
    with collectives.together():
        judges = [*task.judges, task.digest]
        known = task.knows_real if distributed.rank() == collectives.ranks()[0] else None
    (known, judges), *others = collectives.gather((known, judges), "score.known")
    ranks = collectives.ranks()
    first = distributed.rank() == ranks[0]
    with collectives.together():
        for rank, (_, theirs) in zip(ranks[1:], others, strict=True):
            if theirs != judges:
                raise UserError(f"learner {rank} scores by {theirs}, learner 0 by {judges}; copy one to all hosts")
        if first and task.judges and not known:
            # No score, so not where programs read scores.
            print("the real samples' features are measured once, and kept", file=sys.stderr, flush=True)
        part = (ranks.index(distributed.rank()), len(ranks))
        shown = progress if progress and first else no_progress
        mine = task.measure(sampler, number, seed, part, real=not known, thorough=thorough, progress=shown)
    names = sorted(mine)
    return dict(zip(names, collectives.total([mine[name] for name in names], "score"), strict=True)), ranks
