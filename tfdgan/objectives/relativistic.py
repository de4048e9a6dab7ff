"""The relativistic objective of RelGAN.

Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, section 4.2; Nie, Narodytska, Patel, "RelGAN",
ICLR 2019, equation 7.
"""

import tensorflow as tf

from tfdgan.objectives.base import Objective


class Relativistic(Objective):
    """f(real) - f(fake) is the logit of "the first is the real one"; both nets learn by its cross-entropy.

    Real and generated samples are paired by row, so both batches have one size.
    """

    compares = True

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """mean of log(1 + exp(f(fake) - f(real))): scalar. At 0, 0: log 2."""
        return tf.reduce_mean(tf.nn.softplus(fake_scores - real_scores))

    def generator_loss(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """mean of log(1 + exp(f(real) - f(fake))): scalar."""
        return tf.reduce_mean(tf.nn.softplus(real_scores - fake_scores))

    def payoff(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """-log(1 + exp(f(real) - f(fake))): like `fake_scores`, at most 0."""
        return -tf.nn.softplus(real_scores - fake_scores)

    def weighted_critic_terms(
        self, real_scores: tf.Tensor, fake_scores: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(0, sum_i w_i log(1 + exp(f(fake_i) - f(real_i)))): no term is the real samples' alone."""
        return tf.constant(0.0), tf.reduce_sum(weights * tf.nn.softplus(fake_scores - real_scores))
