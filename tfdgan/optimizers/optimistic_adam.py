"""Optimistic Adam: Adam with the previous step's direction taken back."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="tfdgan")
class OptimisticAdam(keras.optimizers.Optimizer):
    """Optimistic Adam (Daskalakis, Ilyas, Syrgkanis, Zeng, "Training GANs with Optimism", ICLR 2018, Algorithm 1).

        m_t = b1 m_{t-1} + (1 - b1) g_t          v_t = b2 v_{t-1} + (1 - b2) g_t^2
        d_t = (m_t / (1 - b1^t)) / (sqrt(v_t / (1 - b2^t)) + eps)
        w_t = w_{t-1} - 2 lr_t d_t + lr_t d_{t-1},      d_0 := d_1

    so the first step is a plain Adam step. Both terms have the current step's lr_t. Under a constant gradient
    d_t = sign(g), and every step has length lr, as Adam's: from w = 1 with g = 0.5, lr = 0.1 and a tiny eps, w runs
    0.9, 0.8, 0.7, ... . Memory: three slots (m, v, d) of each variable's size and type.

    Args:
      learning_rate: float or `keras.optimizers.schedules.LearningRateSchedule`.
      beta_1, beta_2: decay rates of the moments, in [0, 1).
      epsilon: added to the root of the second moment.
      kwargs: what every `keras.optimizers.Optimizer` takes, such as `global_clipnorm`.

    Raises:
      ValueError: a beta outside [0, 1).
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.9,
        epsilon: float = 1e-8,
        name: str = "optimistic_adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        for label, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"OptimisticAdam: {label} is {beta}; give a number in [0, 1)")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums = [self.add_variable_from_reference(v, name="momentum") for v in variables]
        self._velocities = [self.add_variable_from_reference(v, name="velocity") for v in variables]
        self._directions = [self.add_variable_from_reference(v, name="direction") for v in variables]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)  # how Keras lets a subclass find the slots of a variable
        m, v, previous = self._momentums[index], self._velocities[index], self._directions[index]
        dtype = variable.dtype
        lr = ops.cast(learning_rate, dtype)
        gradient = ops.cast(gradient, dtype)
        t = ops.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = ops.cast(self.beta_1, dtype), ops.cast(self.beta_2, dtype)

        self.assign_add(m, (gradient - m) * (1 - beta_1))
        self.assign_add(v, (ops.square(gradient) - v) * (1 - beta_2))
        m_hat = m / (1 - ops.power(beta_1, t))
        v_hat = v / (1 - ops.power(beta_2, t))
        direction = m_hat / (ops.sqrt(v_hat) + self.epsilon)
        previous_direction = ops.where(self.iterations == 0, direction, previous)
        self.assign_sub(variable, lr * (2 * direction - previous_direction))
        self.assign(previous, direction)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
