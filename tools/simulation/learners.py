"""Training of all learners at once: weights X [n, d], one row a learner."""

import dataclasses

import numpy as np

from tools.simulation import rules

PLACES = ("mean", "learners")
_WINDOW = 10  # records that a gradient norm is averaged over before it is held against the target


@dataclasses.dataclass(frozen=True)
class Trace:
    """What was recorded along a run; steps [r], consensus [r] and gradient_norm [r] belong together.

    Attributes:
      consensus: sqrt(mean_i |x_i - mean|^2).
      gradient_norm: |g(mean)|, noiseless, of the learners' average game; or sqrt(mean_i |g(x_i)|^2), see `simulate`.
      reached: steps until the root mean square of the last 10 recorded gradient norms was at the target; None if never.
      weights: [n, d] at the end.
    """

    steps: np.ndarray
    consensus: np.ndarray
    gradient_norm: np.ndarray
    reached: int | None
    weights: np.ndarray


def consensus_distance(X):
    """sqrt(mean_i |x_i - mean_j x_j|^2) of [n, d]."""
    return float(np.sqrt(np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1))))


def first_norm(game):
    """The gradient norm at the start."""
    return gradient_norm(game, game.start[np.newaxis], "mean")


def gradient_norm(game, X, at):
    """|g(mean_i x_i)|, or sqrt(mean_i |g(x_i)|^2) at the learners' own weights, of the learners' average game."""
    points = X.mean(axis=0, keepdims=True) if at == "mean" else X
    return float(np.sqrt(np.mean(np.sum(game.mean_gradient(points) ** 2, axis=1))))


def gossip(displacement, exchange, averaged=False):
    """x_i <- exchange(X)_i - D_i, D the displacement of the gradient at each learner's own x_i.

    `averaged`: everybody takes the mean of all gradients instead, which with `exchanges.apart()` is the centralised CP.
    """

    def step(state, X, k, gradient):
        moved, exchanged = state
        G = gradient.halves(X) if displacement.splits else gradient(X)
        if averaged:
            G = np.broadcast_to(G.mean(axis=-2, keepdims=True), G.shape)
        D, moved = displacement.step(moved, G, k)
        X, exchanged = exchange.step(exchanged, X, D, k)
        return X, (moved, exchanged)

    return rules.Rule(lambda X: (displacement.start(X), exchange.start(X)), step)


def dposg(learning_rate, exchange, averaged=False):
    """The project's DPOSG (Liu et al., NeurIPS 2020, Algorithm 1), one new gradient a step:

    Z_k = X_{k-1} W^t - eta g(e_{k-1}, Z_{k-1})      the previous gradient again, 0 at first
    X_k = X_{k-1} W^t - eta g(e_k,     Z_k)
    """

    def step(state, X, k, gradient):
        last, exchanged = state
        Z, _ = exchange.step(exchanged, X, learning_rate * last, k)
        G = gradient(Z)
        if averaged:
            G = np.broadcast_to(G.mean(axis=0), G.shape)
        X, exchanged = exchange.step(exchanged, X, learning_rate * G, k)
        return X, (G, exchanged)

    return rules.Rule(lambda X: (np.zeros_like(X), exchange.start(X)), step)


def method(name, learning_rate, exchange, averaged=False, noise_learners=1.0):
    """The whole step of a method in `rules.METHODS`; raises `UserError` for another, or a rate that is not positive.

    `noise_learners`: n of `rules.split_batch`.
    """
    if name == "dposg" and learning_rate > 0:
        return dposg(learning_rate, exchange, averaged)
    return gossip(rules.displacement(name, learning_rate, noise_learners), exchange, averaged)


class _Gradient:
    """Stochastic gradients of a game at weights [n, d]; `halves` gives those of the two halves of each batch."""

    def __init__(self, game, random):
        self._game, self._random = game, random

    def __call__(self, X):
        return self._game.gradient(X, self._random)

    def halves(self, X):
        return self._game.halves(X, self._random)


def simulate(game, rule, learners, steps, *, seed=0, every=1, at="mean", target=None, stop=False):
    """Run `learners` learners from `game.start` for `steps` steps.

    Args:
      game: see `games`.
      rule: of `method`; step(state, X, k, gradient) -> (X, state).
      seed: of the gradients' noise.
      every: steps between two records; the start and the last step are recorded too.
      at: where gradient norms are taken, in `PLACES`.
      target: gradient norm for `Trace.reached`.
      stop: end once the target is reached.

    Returns:
      `Trace`. A run that overflows ends there, with an infinite gradient norm as its last record.
    """
    random = np.random.default_rng([seed, 4])
    X = np.tile(game.start, (learners, 1))
    state = rule.start(X)
    records, reached = [_record(0, game, X, at)], None
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps):
            X, state = rule.step(state, X, k, _Gradient(game, random))
            if (k + 1) % every and k + 1 < steps:
                continue
            records.append(_record(k + 1, game, X, at))
            if not np.isfinite(records[-1][2]):
                records[-1] = (k + 1, np.inf, np.inf)
                break
            if target is not None and reached is None and _smooth(records) <= target:
                reached = k + 1
                if stop:
                    break
    columns = [np.array(column) for column in zip(*records, strict=True)]
    return Trace(*columns, reached, X)


def _record(step, game, X, at):
    return step, consensus_distance(X), gradient_norm(game, X, at)


def _smooth(records):
    """Infinite until there are enough records: one lucky step is no arrival."""
    if len(records) < _WINDOW:
        return np.inf
    return float(np.sqrt(np.mean([norm**2 for _, _, norm in records[-_WINDOW:]])))
