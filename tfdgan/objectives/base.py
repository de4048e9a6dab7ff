"""The contract of objectives: the losses of the game between a generator and a critic."""

import abc

import tensorflow as tf

from tfdgan.errors import UserError


class Objective(abc.ABC):
    """The losses of a game, as pure functions of the critic's scores.

    Scores are float tensors [batch] or [batch, 1]. Losses are scalars and are minimised. They are means over samples,
    or over pairs of a real and a generated one: the split batch's second moment takes them over a batch's halves.

    The two losses are enough for `AdversarialTrainer`. `ClippedRatioTrainer` also calls `payoff` where it clips
    ratios, and `weighted_critic_terms` where it reweights samples.

    Attributes:
      compares: True if the generator's loss looks at the scores of real samples too.
    """

    compares: bool = False

    @abc.abstractmethod
    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """The critic's loss, without penalties: scalar."""

    @abc.abstractmethod
    def generator_loss(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """The generator's loss: scalar. `real_scores` are given if the objective `compares`."""

    def payoff(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """The payoff of each sample, whose mean the generator maximises: like `fake_scores`.

        Ratio clipping multiplies the payoff by the probability ratio. `real_scores` are given if the objective
        `compares`.

        Raises:
          UserError: the objective has no payoff.
        """
        raise UserError(f"--ratio_clipping: the objective {type(self).__name__} has no payoff that a ratio could scale")

    def weighted_critic_terms(
        self, real_scores: tf.Tensor, fake_scores: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The critic's loss in two terms, both scalars: (the term of real samples, the term of generated samples).

        Their sum is `critic_loss` if all weights are 1 / batch. The terms stay apart because learners that share a
        batch scale the second one.

        Args:
          weights: of generated samples, like `fake_scores`; they sum to 1.

        Raises:
          UserError: generated samples cannot be weighted.
        """
        raise UserError(f"--sample_reweighting: the objective {type(self).__name__} has no weighted form")
