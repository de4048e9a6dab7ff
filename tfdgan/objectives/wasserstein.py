"""The Wasserstein objective (Arjovsky, Chintala, Bottou, "Wasserstein GAN", ICML 2017).

min over G, max over Lipschitz f of E f(x) - E f(G(z)).
"""

import tensorflow as tf

from tfdgan.objectives.base import Objective


class Wasserstein(Objective):
    """The critic tells the mean of real scores from the mean of generated ones. Scores: [batch] or [batch, 1]."""

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """mean f(fake) - mean f(real): scalar. At scores 3, 5 and 1, 2: -2.5. Batches may differ in size."""
        return tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)

    def generator_loss(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """-mean f(fake): scalar."""
        return -tf.reduce_mean(fake_scores)

    def payoff(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """f(fake) itself."""
        return fake_scores

    def weighted_critic_terms(
        self, real_scores: tf.Tensor, fake_scores: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(-mean f(real), sum_i w_i f(fake_i))."""
        return -tf.reduce_mean(real_scores), tf.reduce_sum(weights * fake_scores)
