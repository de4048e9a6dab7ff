"""Optimizers by name."""

import keras

from tfdgan.optimizers.linear_decay import LinearDecay, remember_schedule
from tfdgan.optimizers.optimistic_adam import OptimisticAdam

_EPSILON = 1e-8
_ADAMS = {"oadam": OptimisticAdam, "adam": keras.optimizers.Adam}


def make(
    kind: str,
    learning_rate: float,
    *,
    beta_1: float,
    beta_2: float,
    clip_norm: float = 0.0,
    decay_updates: int = 0,
    second_moment: str = "own",
) -> keras.optimizers.Optimizer:
    """A new Keras optimizer.

    Args:
      kind: "oadam", "adam" or "sgd".
      learning_rate: at the first update.
      beta_1, beta_2: decay of the moments; sgd has none.
      clip_norm: the largest norm of all gradients together, to which they are scaled down; 0 leaves them as they are.
      decay_updates: after how many updates the learning rate has fallen to 0 in a straight line; 0 keeps it constant.
        `linear_decay.schedule_of` gives the schedule.
      second_moment: of oadam, as `OptimisticAdam` takes it; the others have their own.
    """
    rate = LinearDecay(learning_rate, decay_updates) if decay_updates else learning_rate
    clip = {"global_clipnorm": clip_norm} if clip_norm else {}
    if kind == "sgd":
        optimizer = keras.optimizers.SGD(rate, **clip)
    else:
        moment = {"second_moment": second_moment} if kind == "oadam" else {}
        optimizer = _ADAMS[kind](rate, beta_1=beta_1, beta_2=beta_2, epsilon=_EPSILON, **moment, **clip)
    if isinstance(rate, LinearDecay):
        remember_schedule(optimizer, rate)
    return optimizer
