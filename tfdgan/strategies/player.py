"""A player of the game: a net, and how it steps."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class Player:
    """A net with an optimizer of its own.

    Attributes:
      name: "generator", "critic", ...; names its messages and its part of a checkpoint.
      model: a built Keras model. Strategies read its `trainable_variables` only.
      optimizer: a Keras optimizer that serves no other player.
      updates: how many updates the player makes in a step.
    """

    name: str
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    updates: int = 1

    def __post_init__(self) -> None:
        # Slots are made here, since a tf.function may make no variables when it is traced again.
        self.optimizer.build(self.variables)

    @property
    def variables(self) -> list[keras.Variable]:
        """The trainable variables, all floating."""
        return list(self.model.trainable_variables)

    @property
    def numbers(self) -> int:
        """How many numbers the variables hold."""
        return sum(v.shape.num_elements() for v in self.values())

    def step_if(self, finite: tf.Tensor, gradients: Sequence[tf.Tensor]) -> None:
        """Take an optimizer step; where the scalar bool `finite` does not hold, zeros stand in for the gradients.

        `finite` has to depend on all of the gradients. Otherwise a gradient would now and then read a variable that is
        already updated: Keras' optimizers pass gradients through an IdentityN, by which every update follows every
        gradient. So TensorFlow 2.21's dependency optimizer drops the edges from reads to updates as superfluous; later
        it drops the IdentityN too.
        """
        self.optimizer.apply(finite_or_zero(finite, gradients), self.variables)

    def observe_noise(self, fresh: tf.Tensor, noise: Sequence[tf.Tensor], gradients: Sequence[tf.Tensor]) -> None:
        """Tell the optimizer how large the noise of the next step's gradients is: see `OptimisticAdam.observe_noise`.

        The scalar bool `fresh` has to depend on all of the gradients, as `finite` in `step_if`.
        """
        self.optimizer.observe_noise(noise, gradients, fresh)

    def average_among(self, learners: int) -> None:
        """Tell the optimizer how many learners average this player's weights, if it asks."""
        if hasattr(self.optimizer, "learners"):
            self.optimizer.learners = learners

    def values(self) -> list[tf.Tensor]:
        """The present values of the variables."""
        return [tf.convert_to_tensor(v) for v in self.variables]


def finite_or_zero(finite: tf.Tensor, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The gradients if the scalar bool `finite` holds, else zeros: NaN and Inf never get into weights."""
    return [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients]
