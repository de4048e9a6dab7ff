"""The relativistic objective of RelGAN (Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, section 4.2;
Nie, Narodytska, Patel, "RelGAN", ICLR 2019, equation 7).

The critic tells by how much a real sample is more real than a generated one, both nets by cross-entropy on that.
"""

import tensorflow as tf


def critic_loss(real_scores, fake_scores):
    """mean of log(1 + exp(f(fake) - f(real))): scalar. Scores: [batch] or [batch, 1], paired by row. At 0, 0: log 2."""
    return tf.reduce_mean(tf.nn.softplus(fake_scores - real_scores))


def generator_loss(fake_scores, real_scores):
    """mean of log(1 + exp(f(real) - f(fake))): scalar. Scores: [batch] or [batch, 1], paired by row."""
    return tf.reduce_mean(tf.nn.softplus(real_scores - fake_scores))
