"""Scores of a consensus, its samples shared out among the learners."""

import horovod.tensorflow as hvd

from tfdgan import distributed
from tfdgan.errors import UserError


def score(task, sampler, number=None, seed=0, *, thorough=False, progress=None):
    """A list of `Score` on learner 0, an empty one on the others; all learners call it together.

    Each learner generates and measures its part, what is measured is summed over learners: the scores do not depend on
    their number, but for the order of sums.

    Args:
      task, sampler, number, seed, thorough: as `task.measure` takes them; one sampler everywhere.
      progress: as `task.measure` takes it, for learner 0; None: no progress is shown.
    """
    ranks, known = distributed.ranks(), None
    first = hvd.rank() == ranks[0]
    with distributed.together():
        known = task.knows_real if first else None
    (known, judges), *others = distributed.gather((known, task.judges), "score.known")
    with distributed.together():
        for rank, (_, theirs) in zip(ranks[1:], others, strict=True):
            if theirs != judges:
                raise UserError(
                    f"learner {rank} scores by {theirs}, learner {ranks[0]} by {judges}; copy one to all hosts"
                )
        part = (ranks.index(hvd.rank()), len(ranks))
        shown = progress if progress and first else lambda batches, length, what: batches
        mine = task.measure(sampler, number, seed, part, real=not known, thorough=thorough, progress=shown)
    names = sorted(mine)
    sums = dict(zip(names, distributed.total([mine[name] for name in names], "score"), strict=True))
    with distributed.together():
        scores = task.scores(sums, sampler, number, seed) if first else []
    return scores
