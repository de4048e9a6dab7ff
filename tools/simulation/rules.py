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
    splits: bool = False  # whether the gradient comes as (G_a, G_b), those of the two halves of each learner's batch


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


def split_batch(lr, learners, beta_1=0.5, beta_2=0.9, epsilon=1e-8):
    """`optimistic_adam` with G = (G_a + G_b) / 2 and the second moment of the split batch for n = `learners`:

    s = b2 s + (1 - b2) (G_a - G_b)^2 / 4,   v^ = max(v - (1 - 1/n) s, s / n)   in place of v, both debiased.
    """

    def step(state, halves, k):
        m, v, s, previous, t = state
        t += 1
        G, q = (halves[0] + halves[1]) / 2, (halves[0] - halves[1]) ** 2 / 4
        m = beta_1 * m + (1 - beta_1) * G
        v = beta_2 * v + (1 - beta_2) * G**2
        s = beta_2 * s + (1 - beta_2) * q
        bias = 1 - beta_2**t
        v_hat = np.maximum(v - (1 - 1 / learners) * s, s / learners) / bias
        direction = (m / (1 - beta_1**t)) / (np.sqrt(v_hat) + epsilon)
        previous = direction if t == 1 else previous
        return lr * (2 * direction - previous), (m, v, s, direction, t)

    return Rule(lambda X: (*(np.zeros_like(X) for _ in range(4)), 0), step, splits=True)


DISPLACEMENTS = {"sgd": sgd, "osgd": optimistic_sgd, "oadam": optimistic_adam}
SPLIT_BATCH = "oadam_split_batch"
METHODS = ("dposg", *DISPLACEMENTS, SPLIT_BATCH)


def displacement(method, learning_rate, learners=1.0):
    """The rule of a method other than dposg, which has a step of its own; raises `UserError`.

    `learners`: n of `split_batch`.
    """
    if method not in (*DISPLACEMENTS, SPLIT_BATCH):
        raise UserError(f"--method={method}: choose one of {', '.join(METHODS)}")
    if learning_rate <= 0:
        raise UserError(f"--learning_rate={learning_rate}: give a number above 0")
    return split_batch(learning_rate, learners) if method == SPLIT_BATCH else DISPLACEMENTS[method](learning_rate)
