"""Games with known answers, many learners at a time: weights [n, d] -> gradients [n, d].

A learner's weights are x = (u, v) and its gradient field g(x) = [grad_u F, -grad_v F], as min_u max_v F(u, v) has it,
so that x - eta g(x) descends for u and ascends for v. All games have

    dimension             d
    start                 [d], where every learner begins
    gradient(X, random)   [n, d], a stochastic gradient of every learner at its own row
    halves(X, random)     [2, n, d], the gradients of the two halves of each learner's batch: `gradient` is their mean
    mean_gradient(X)      [m, d], the noiseless gradient of the learners' average game at each of m rows
"""

import numpy as np

from tfdgan.errors import UserError
from tools.simulation.gaussians import GaussiansGame

NAMES = ("bilinear", "quadratic", "gaussians")
_LEAST_COUPLING = 0.5  # singular values of A lie between this and 1, so no direction takes for ever


def offsets(size, dimension, heterogeneity, seed):
    """How far each learner's game is shifted: [size, dimension], mean zero, `heterogeneity` the standard deviation."""
    if heterogeneity < 0:
        raise UserError(f"--heterogeneity={heterogeneity}: give a standard deviation of at least 0")
    drawn = np.random.default_rng([seed, 1]).standard_normal((size, dimension))
    return heterogeneity * (drawn - drawn.mean(axis=0))


def coupling(pairs, seed):
    """A of u^T A v: [pairs, pairs], singular values evenly spaced from .5 to 1; [[1]] for one pair."""
    random = np.random.default_rng([seed, 2])
    if pairs == 1:
        return np.eye(1)
    left, right = (np.linalg.qr(random.standard_normal((pairs, pairs)))[0] for _ in range(2))
    return left @ np.diag(np.linspace(_LEAST_COUPLING, 1, pairs)) @ right


class LinearGame:
    """g_i(x) = K (x - o_i) + sigma xi: a game whose gradient is linear, shifted for each learner, with normal noise.

        F(u, v) = mu / 2 |u|^2 + u^T A v - mu / 2 |v|^2,      K = [[mu I, A], [-A^T, mu I]]

    mu = 0 is the bilinear game: monotone, not strongly, where plain gradient steps spiral outwards. The offsets o_i
    have mean zero, so the average game is the one without offsets and its equilibrium is x = 0. As g is linear, the
    learners' mean does not depend on W under dposg, osgd and sgd; under oadam it does.

    Args:
      A: float64 [m, m]; d = 2 m.
      mu: strength of monotonicity, at least 0.
      offsets: float64 [n, d].
      sigma: standard deviation of each entry's noise, drawn anew for each learner and step.
    """

    def __init__(self, A, mu, offsets, sigma=0.0):
        m = len(A)
        self._K = np.block([[mu * np.eye(m), A], [-A.T, mu * np.eye(m)]])
        self._offsets, self._sigma = offsets, sigma
        self.dimension = 2 * m
        self.start = np.ones(self.dimension)

    def gradient(self, X, random):
        G = (X - self._offsets) @ self._K.T
        return G + self._sigma * random.standard_normal(X.shape) if self._sigma else G

    def halves(self, X, random):
        G = (X - self._offsets) @ self._K.T
        return G + np.sqrt(2) * self._sigma * random.standard_normal((2, *X.shape))

    def mean_gradient(self, X):
        return (X - self._offsets.mean(axis=0)) @ self._K.T


def make(name, size, *, pairs=10, sigma=0.0, heterogeneity=0.0, seed=0):
    """The game of this name for `size` learners.

    Args:
      name: bilinear (mu = 0), quadratic (mu = .2) or gaussians (`GaussiansGame`).
      pairs: number of (u, v) pairs of the first two, half of d.
      sigma: standard deviation of the gradients' noise; gaussians has that of its batches besides.
      heterogeneity: standard deviation of the learners' offsets: of x, or of gaussians' data.

    Raises:
      UserError: an unknown name, or a negative sigma or heterogeneity.
    """
    if name not in NAMES:
        raise UserError(f"--game={name}: choose one of {', '.join(NAMES)}")
    if sigma < 0:
        raise UserError(f"--sigma={sigma}: give a standard deviation of at least 0")
    if name == "gaussians":
        return GaussiansGame(offsets(size, 2, heterogeneity, seed), sigma=sigma, seed=seed)
    mu = {"bilinear": 0.0, "quadratic": 0.2}[name]
    return LinearGame(coupling(pairs, seed), mu, offsets(size, 2 * pairs, heterogeneity, seed), sigma)
