"""Sample reweighting: by importance sampling the critic sees generated samples from q(x) ~ p(x) exp f(x), not p.

Wu et al., "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting", NeurIPS 2020, section 3.3.
"""

import tensorflow as tf


def sample_weights(fake_scores: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """w_i = exp(f_i / temperature) / sum_j exp(f_j / temperature) over the batch: like `fake_scores`, no gradient.

    Scores [batch] or [batch, 1]; the weights sum to 1. Scores 0 and log 3 give 1/4 and 3/4; at temperature 2,
    .366 and .634. The gradient of sum_i w_i f_i is that of temperature * logsumexp(f / temperature).
    """
    return tf.stop_gradient(tf.nn.softmax(tf.convert_to_tensor(fake_scores) / temperature, axis=0))


def summing_exactly(weights: tf.Tensor) -> tf.Tensor:
    """The weights rounded to multiples of 2^-23, the remainder to 1 added to the largest: every sum of them is exact.

    A critic's constant, added to every score, has the gradient 1 - sum_i w_i. With exact sums the gradient is 0 and not
    a rounding error, of which Adam would make steps of full length. No weight but the largest changes by more than
    2^-24.

    Args:
      weights: float32, not negative, which sum to 1 but for rounding.
    """
    flat = tf.reshape(weights, [-1])
    rounded = tf.round(flat * 2.0**23) / 2.0**23
    rest = 1.0 - tf.reduce_sum(rounded)
    largest = tf.one_hot(tf.argmax(rounded), tf.size(rounded), dtype=rounded.dtype)
    return tf.reshape(rounded + rest * largest, tf.shape(weights))


def effective_sample_size(weights: tf.Tensor) -> tf.Tensor:
    """1 / sum_i w_i^2: scalar. 1 if one sample has all the weight, the size of the batch if all weights are equal."""
    return 1.0 / tf.reduce_sum(tf.square(weights))


def log_mass(fake_scores: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """log sum_i exp(f_i / temperature): scalar, no gradient.

    Of several batches taken as one, each has a share of the weights: the softmax over the batches' log masses.
    """
    return tf.stop_gradient(tf.reduce_logsumexp(fake_scores / temperature))
