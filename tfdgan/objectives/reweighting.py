"""Sample reweighting: by importance sampling the critic sees generated samples from q(x) ~ p(x) exp f(x), not p.

Wu et al., "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting", NeurIPS 2020, section 3.3.
"""

import tensorflow as tf


def sample_weights(
    fake_scores: tf.Tensor, temperature: float | tf.Tensor = 1.0, spread: float | None = None
) -> tf.Tensor:
    """w_i = exp(f_i / temperature) / sum_j exp(f_j / temperature) over the batch: like `fake_scores`, no gradient.

    Scores [batch] or [batch, 1]; the weights sum to 1. Scores 0 and log 3 give 1/4 and 3/4; at temperature 2,
    .366 and .634. The gradient of sum_i w_i f_i is that of temperature * logsumexp(f / temperature).

    With a spread s, w = softmax(s f / std(f)), whatever the scale of f: for many Gaussian scores the effective sample
    size is exp(-s^2) of the batch, .78 at s = .5. Scores 1 and 3 at s = .5: std 1, weights .269 and .731. Where scores
    do not differ weights are equal. A derivation of this project, not of the paper.

    Args:
      fake_scores: f.
      temperature: above 0; not used with a spread.
      spread: s, above 0; None: the temperature counts.

    Raises:
      ValueError: scores that are no floats, or a spread that is not above 0.
    """
    scores = tf.convert_to_tensor(fake_scores)
    if not scores.dtype.is_floating:
        raise ValueError(f"fake_scores are of type {scores.dtype.name}; give floats")
    if spread is not None:
        scores = tf.math.divide_no_nan(scores, tf.reduce_max(tf.abs(scores)))  # squares of large ones would overflow
        temperature = temperature_of_spread(*moments(scores), spread)
    return tf.stop_gradient(tf.nn.softmax(scores / temperature, axis=0))


def temperature_of_spread(mean: tf.Tensor, variance: tf.Tensor, spread: float) -> tf.Tensor:
    """std / spread, at which `sample_weights` are those of the spread: scalar, no gradient.

    Args:
      mean, variance: of the scores over the batch, scalars.
      spread: above 0.

    Raises:
      ValueError: a spread that is not above 0.
    """
    if not spread > 0:
        raise ValueError(f"spread is {spread}; give a number above 0, or None for a temperature")
    least = 1e-5 * tf.abs(mean) + 1e-30  # what rounding leaves of equal scores is no deviation
    return tf.stop_gradient(tf.maximum(tf.sqrt(variance), least)) / spread


def moments(fake_scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(mean, variance) of a batch of scores: scalars, no gradient."""
    scores = tf.stop_gradient(fake_scores)
    return tf.reduce_mean(scores), tf.math.reduce_variance(scores)


def moments_together(means: tf.Tensor, variances: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(mean, variance) of batches of one size taken as one, by each batch's, [batches]: scalars.

    Batches whose moments are not finite are left out: the learner that has one reports the fault itself.
    """
    sound = tf.math.is_finite(means) & tf.math.is_finite(variances)
    means, variances = tf.boolean_mask(means, sound), tf.boolean_mask(variances, sound)
    mean = tf.reduce_mean(means)
    return mean, tf.reduce_mean(variances + tf.square(means - mean))


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


def log_mass(fake_scores: tf.Tensor, temperature: float | tf.Tensor = 1.0) -> tf.Tensor:
    """log sum_i exp(f_i / temperature): scalar, no gradient.

    Of several batches taken as one, each has a share of the weights: the softmax over the batches' log masses.
    """
    return tf.stop_gradient(tf.reduce_logsumexp(fake_scores / temperature))
