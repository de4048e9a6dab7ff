"""The Wasserstein objective (Arjovsky, Chintala, Bottou, "Wasserstein GAN", ICML 2017).

min over G, max over Lipschitz f of E f(x) - E f(G(z)).
"""

import tensorflow as tf


def critic_loss(real_scores, fake_scores):
    """mean f(fake) - mean f(real): scalar. Scores: [batch] or [batch, 1]. At scores 3, 5 and 1, 2: -2.5."""
    return tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)


def generator_loss(fake_scores):
    """-mean f(fake): scalar. Scores: [batch] or [batch, 1]."""
    return -tf.reduce_mean(fake_scores)
