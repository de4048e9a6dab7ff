"""What a rule is, and how gradients become displacements: x <- mixed x - D.

A rule is a pair of functions over all learners at once, with a state of its own that is passed through:

    start(X) -> state           X [n, d], the weights before the first step
    step(state, ...) -> (result, state)
"""

from typing import NamedTuple

import numpy as np

from tfdgan.errors import UserError


class Rule(NamedTuple):
    start: object
    step: object


def sgd(lr):
    """D = lr G: the gradient step without optimism."""
    return Rule(lambda X: None, lambda state, G, k: (lr * G, None))


def optimistic_sgd(lr):
    """D_k = lr (2 G_k - G_{k-1}), G_0 := G_1 (Daskalakis et al., "Training GANs with Optimism", ICLR 2018)."""

    def step(last, G, k):
        return lr * (2 * G - (G if last is None else last)), G

    return Rule(lambda X: None, step)


def optimistic_adam(lr, beta_1=0.5, beta_2=0.9, epsilon=1e-8):
    """`tfdgan.optimizers.OptimisticAdam` for every learner by itself (Daskalakis et al., ICLR 2018, Algorithm 1).

    m = b1 m + (1 - b1) G,   v = b2 v + (1 - b2) G^2,   d_t = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
    D_t = 2 lr d_t - lr d_{t-1},   d_0 := d_1
    """

    def step(state, G, k):
        m, v, previous, t = state
        t += 1
        m = beta_1 * m + (1 - beta_1) * G
        v = beta_2 * v + (1 - beta_2) * G**2
        direction = (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        previous = direction if t == 1 else previous
        return lr * (2 * direction - previous), (m, v, direction, t)

    return Rule(lambda X: (np.zeros_like(X), np.zeros_like(X), np.zeros_like(X), 0), step)


DISPLACEMENTS = {"sgd": sgd, "osgd": optimistic_sgd, "oadam": optimistic_adam}
METHODS = ("dposg", *DISPLACEMENTS)


def displacement(method, learning_rate):
    """The rule of a method other than dposg, which has a step of its own; raises `UserError`."""
    if method not in DISPLACEMENTS:
        raise UserError(f"--method={method}: choose one of {', '.join(METHODS)}")
    if learning_rate <= 0:
        raise UserError(f"--learning_rate={learning_rate}: give a number above 0")
    return DISPLACEMENTS[method](learning_rate)
