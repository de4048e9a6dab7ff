"""A player of the game: what it plays with and how it steps."""

import dataclasses

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class Player:
    """A network's trainable variables and their optimizer.

    Attributes:
      name: "generator", "critic", ...; names its messages.
      variables: trainable variables, all floating.
      optimizer: a Keras optimizer of its own.
    """

    name: str
    variables: list
    optimizer: keras.optimizers.Optimizer

    def __post_init__(self):
        # Slots are made here, since tf.function may make no variables when it is traced again.
        self.optimizer.build(self.variables)

    def step_if(self, finite, gradients):
        """Take an optimizer step where the bool tensor `finite` holds, else leave everything as it is."""

        def step():
            self.optimizer.apply(gradients, self.variables)
            return tf.constant(True)

        return tf.cond(finite, step, lambda: tf.constant(False))

    def values(self):
        """The variables' present values, as tensors."""
        return [tf.convert_to_tensor(v) for v in self.variables]
