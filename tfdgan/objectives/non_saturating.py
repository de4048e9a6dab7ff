"""The original game with its non-saturating generator.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014.
"""

import tensorflow as tf

from tfdgan.objectives.base import Objective


class NonSaturating(Objective):
    """Binary cross-entropy: a score f is the logit of "this sample is real", s(f) the probability, s the sigmoid."""

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """-mean log s(f(real)) - mean log(1 - s(f(fake))): scalar. At scores 0 and 0: 2 log 2."""
        return tf.reduce_mean(tf.nn.softplus(-real_scores)) + tf.reduce_mean(tf.nn.softplus(fake_scores))

    def generator_loss(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """-mean log s(f(fake)): scalar. At a score of 0: log 2."""
        return tf.reduce_mean(tf.nn.softplus(-fake_scores))
