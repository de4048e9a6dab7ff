"""Scores of a consensus, its samples shared out among the learners."""

import horovod.tensorflow as hvd

from tfdgan import distributed
from tfdgan.errors import UserError
from tfdgan.training.monitor import say


def score(task, sampler, number=None, seed=0, *, thorough=False, progress=None):
    """A list of `Score` on learner 0, an empty one on the others; all learners call it together.

    Each learner generates and measures its part, what is measured is summed over learners: the scores do not depend on
    their number, but for the order of sums. If a learner is lost meanwhile, the others begin again.

    Args:
      task, sampler, number, seed, thorough: as `task.measure` takes them; one sampler everywhere.
      progress: as `task.measure` takes it, for learner 0; None: no progress is shown.
    """
    sums = ranks = None
    while sums is None or ranks != distributed.ranks():
        sums, ranks = _measured(task, sampler, number, seed, thorough, progress)
    with distributed.together():
        scores = task.scores(sums, sampler, number, seed) if hvd.rank() == ranks[0] else []
    return scores


def _measured(task, sampler, number, seed, thorough, progress):
    """({name: sum over learners}, the learners that were there at the beginning)."""
    known = judges = None
    with distributed.together():
        judges = [*task.judges, task.digest]
        known = task.knows_real if hvd.rank() == 0 else None
    (known, judges), *others = distributed.gather((known, judges), "score.known")
    ranks = distributed.ranks()
    first = hvd.rank() == ranks[0]
    with distributed.together():
        for rank, (_, theirs) in zip(ranks[1:], others, strict=True):
            if theirs != judges:
                raise UserError(f"learner {rank} scores by {theirs}, learner 0 by {judges}; copy one to all hosts")
        if first and task.judges and not known:
            say("the real samples' features are measured once, and kept")
        part = (ranks.index(hvd.rank()), len(ranks))
        shown = progress if progress and first else lambda batches, length, what: batches
        mine = task.measure(sampler, number, seed, part, real=not known, thorough=thorough, progress=shown)
    names = sorted(mine)
    return dict(zip(names, distributed.total([mine[name] for name in names], "score"), strict=True)), ranks
