"""The hinge objective (Lim and Ye, "Geometric GAN", 2017; Tran, Ranganath, Blei, 2017), as SAGAN uses it."""

import tensorflow as tf

from tfdgan.objectives.base import Objective


class Hinge(Objective):
    """Scores of real samples are pushed above 1, those of generated samples below -1."""

    def critic_loss(self, real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
        """mean max(0, 1 - f(real)) + mean max(0, 1 + f(fake)): scalar. At scores 3, 0 and -2, 1: 0.5 + 1 = 1.5."""
        return tf.reduce_mean(tf.nn.relu(1.0 - real_scores)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_scores))

    def generator_loss(self, fake_scores: tf.Tensor, real_scores: tf.Tensor | None = None) -> tf.Tensor:
        """-mean f(fake): scalar."""
        return -tf.reduce_mean(fake_scores)
