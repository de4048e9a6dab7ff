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
        """Take an optimizer step; where the bool tensor `finite` does not hold, zeros stand in for the gradients.

        `finite` is to depend on all of the gradients. TensorFlow 2.21's dependency optimizer takes the IdentityN of
        Keras' optimizers for a reason why every update follows every gradient, drops the edges from reads to updates as
        superfluous, and then the IdentityN: a gradient that reads one variable may see it updated, now and then.
        """
        self.optimizer.apply(finite_or_zero(finite, gradients), self.variables)

    def values(self):
        """The variables' present values, as tensors."""
        return [tf.convert_to_tensor(v) for v in self.variables]


def finite_or_zero(finite, gradients):
    """The gradients if the bool tensor `finite` holds, else zeros: what is not finite never gets into weights."""
    return [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients]
