"""A critic's step that sees generated samples x from q(x) ~ p(x) exp f(x) instead of p, by importance sampling.

Wu et al., "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting", NeurIPS 2020, section 3.3.
"""

import tensorflow as tf


def sample_weights(fake_scores, temperature=1.0):
    """w_i = exp(f_i / temperature) / sum_j exp(f_j / temperature) over the batch: like `fake_scores`, no gradient.

    Scores [batch] or [batch, 1]; the weights sum to 1. Scores 0 and log 3 give 1/4 and 3/4; at temperature 2,
    .366 and .634. The gradient of sum_i w_i f_i is that of temperature * logsumexp(f / temperature).
    """
    return tf.stop_gradient(tf.nn.softmax(tf.convert_to_tensor(fake_scores) / temperature, axis=0))


def summing_exactly(weights):
    """The weights in multiples of 2^-23, their remainder to 1 given to the largest: every sum of them is exact.

    Then the gradient by a score's free constant is 1 - sum_i w_i = 0 and not a rounding error, of which Adam would make
    steps of full length. No weight changes by more than 2^-24, but for the largest. float32, not negative, at most 1.
    """
    flat = tf.reshape(weights, [-1])
    rounded = tf.round(flat * 2.0**23) / 2.0**23
    rest = 1.0 - tf.reduce_sum(rounded)
    largest = tf.one_hot(tf.argmax(rounded), tf.size(rounded), dtype=rounded.dtype)
    return tf.reshape(rounded + rest * largest, tf.shape(weights))


def effective_sample_size(weights):
    """1 / sum_i w_i^2: 1 where one sample has all the weight, the size of the batch where all have the same."""
    return 1.0 / tf.reduce_sum(tf.square(weights))


def log_mass(fake_scores, temperature=1.0):
    """log sum_i exp(f_i / temperature): by which batches of several learners share one batch's weights; no gradient."""
    return tf.stop_gradient(tf.reduce_logsumexp(fake_scores / temperature))
