"""X -> M X for a schedule's matrices, by sparse rows where neighbours are few."""

import numpy as np
from scipy import sparse

from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tfdgan.gossip.chebyshev import accelerated

_DENSE_FROM = 0.2  # share of entries that are not zero, above which a dense product is faster
_MOST_ENTRIES = 2**28  # of a schedule's matrices: 2 GiB


def make_schedule(name, size, *, random=False, seed=0):
    """`topology.make_schedule`, but a `UserError` where a period's dense matrices would fill the memory."""
    if name == "matching" and size**3 > _MOST_ENTRIES:
        raise UserError(f"topology matching: a period of {size} learners is {size - 1} matrices; at most 645 learners")
    return topology.make_schedule(name, size, random=random, seed=seed)


class Mixer:
    """mix(X, step) = `schedule.matrix(step, rounds)` @ X, float64 [n, d], without making that matrix.

    W_k[i, j] = W[p(i), p(j)] of a random schedule is: put row i at p(i), apply W, take row p(i) back.

    Args:
      schedule: a `Schedule`.
      rounds: gossip rounds at a step.
      chebyshev: instead of W^t, `gossip.chebyshev` of one symmetric W, random or not. The worst difference is
        forgotten faster than by W^t; those that W itself forgets at once are not.

    Raises:
      UserError: chebyshev of several matrices, or of one that is not symmetric or does not connect everybody.
    """

    def __init__(self, schedule, rounds=1, chebyshev=False):
        if rounds < 1:
            raise UserError(f"gossip rounds: {rounds}; at least 1")
        self._schedule, self._rounds = schedule, rounds
        matrices = accelerated(schedule.matrices, rounds, schedule.name) if chebyshev else schedule.matrices
        self._matrices = [_compact(W) for W in matrices]

    def __call__(self, X, step):
        random = self._schedule.random
        if random:
            order = self._schedule.permutation(step)
            mixed = np.empty_like(X)
            mixed[order] = X
        else:
            mixed = X
        for number in range(step * self._rounds, (step + 1) * self._rounds):
            mixed = self._matrices[number % len(self._matrices)](mixed)
        return mixed[order] if random else mixed


def _compact(W):
    """The function X -> W X in the cheapest form."""
    if np.ptp(W) == 0:  # complete: everybody gets the mean
        return lambda X: np.broadcast_to(X.mean(axis=0), X.shape)
    if np.count_nonzero(W) > _DENSE_FROM * W.size:
        return lambda X: W @ X
    rows = sparse.csr_array(W)
    return lambda X: rows @ X
