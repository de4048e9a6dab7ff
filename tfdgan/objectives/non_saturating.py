"""The original game with its non-saturating generator (Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014).

A score f is the logit of "this sample is real".
"""

import tensorflow as tf


def critic_loss(real_scores, fake_scores):
    """-mean log s(f(real)) - mean log(1 - s(f(fake))), s the sigmoid: scalar. At scores 0 and 0: 2 log 2."""
    return tf.reduce_mean(tf.nn.softplus(-real_scores)) + tf.reduce_mean(tf.nn.softplus(fake_scores))


def generator_loss(fake_scores):
    """-mean log s(f(fake)): scalar."""
    return tf.reduce_mean(tf.nn.softplus(-fake_scores))
