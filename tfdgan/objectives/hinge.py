"""The hinge objective (Lim and Ye, "Geometric GAN", 2017; Tran, Ranganath, Blei, 2017), as SAGAN uses it."""

import tensorflow as tf


def critic_loss(real_scores, fake_scores):
    """mean max(0, 1 - f(real)) + mean max(0, 1 + f(fake)): scalar. At scores 3, 0 and -2, 1: 0.5 + 1 = 1.5."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_scores)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_scores))


def generator_loss(fake_scores):
    """-mean f(fake): scalar."""
    return -tf.reduce_mean(fake_scores)
