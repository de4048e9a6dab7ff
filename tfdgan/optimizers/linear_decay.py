"""A learning rate that falls to zero in a straight line."""

import weakref

import keras
import tensorflow as tf

_schedules: "weakref.WeakKeyDictionary[keras.optimizers.Optimizer, LinearDecay]" = weakref.WeakKeyDictionary()


@keras.saving.register_keras_serializable(package="tfdgan")
class LinearDecay(keras.optimizers.schedules.PolynomialDecay):
    """initial_learning_rate * max(0, 1 - (iterations + offset) / decay_steps): Keras' polynomial decay of power 1.

    Args:
      initial_learning_rate: float, the rate at iteration 0.
      decay_steps: how many iterations it takes to fall to 0.

    Attributes:
      offset: tf.Variable int64 [], how many updates were made before the optimizer's own count of iterations began.
        A run that resumes with a fresh optimizer sets it.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, name: str = "LinearDecay") -> None:
        super().__init__(initial_learning_rate, decay_steps, end_learning_rate=0.0, power=1.0, name=name)
        self.offset = tf.Variable(0, dtype=tf.int64, trainable=False)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return super().__call__(tf.cast(step, tf.int64) + self.offset)

    def get_config(self) -> dict[str, float | int | str]:
        """What the constructor takes; `offset` is state and stays out."""
        config = super().get_config()
        return {name: config[name] for name in ("initial_learning_rate", "decay_steps", "name")}


def remember_schedule(optimizer: keras.optimizers.Optimizer, schedule: LinearDecay) -> None:
    """Let `schedule_of` find the schedule of an optimizer, as long as the optimizer lives."""
    _schedules[optimizer] = schedule


def schedule_of(optimizer: keras.optimizers.Optimizer) -> LinearDecay | None:
    """The schedule of an optimizer that `choice.make` has made; None if its learning rate is constant.

    Keras has no public way to a schedule that has been given to an optimizer.
    """
    return _schedules.get(optimizer)
