"""What is added to a critic's loss so that it stays smooth. Pure functions of a critic and samples, each a scalar.

`critic` is a function from samples [batch, ...] to scores [batch] or [batch, 1].
"""

import tensorflow as tf

_UNDER_ROOT = 1e-12  # keeps the gradient of the norm finite where the critic is flat


def two_sided(critic, real, fake, alpha):
    """mean over the batch of (|grad_x critic(x)| - 1)^2 at x = real + alpha (fake - real).

    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, equation 3. For critic(x) = c.x
    it is (|c| - 1)^2 whatever the samples. `alpha`: interpolation coefficients in [0, 1], shape [batch].
    """
    return tf.reduce_mean(tf.square(_norms(critic, _between(real, fake, alpha)) - 1.0))


def one_sided(critic, real, fake, alpha):
    """mean of max(0, |grad_x critic(x)| - 1)^2 at the points of `two_sided`: slopes below 1 cost nothing.

    Petzka, Fischer, Lukovnikov, "On the Regularization of Wasserstein GANs", ICLR 2018, equation 8.
    """
    return tf.reduce_mean(tf.square(tf.nn.relu(_norms(critic, _between(real, fake, alpha)) - 1.0)))


def r1(critic, real, fake, alpha):
    """mean of |grad_x critic(x)|^2 / 2 at the real samples. For critic(x) = c.x it is |c|^2 / 2.

    Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018, equation 9.
    `fake` and `alpha` are not looked at.
    """
    return tf.reduce_mean(_squared_norms(critic, real)) / 2.0


def consistency(first, second, margin=0.0):
    """mean of max(0, (f - f')^2 + 0.1 mean_j (h_j - h'_j)^2 - margin): two passes of real samples through a critic
    with dropout.

    Wei et al., "Improving the Improved Training of Wasserstein GANs", ICLR 2018, equation 4, squared as in its
    released code.

    Args:
      first, second: (scores f [batch] or [batch, 1], features h [batch, m]) of a pass each.
    """
    scores = tf.square(tf.reshape(first[0] - second[0], [-1]))
    features = tf.reduce_mean(tf.square(first[1] - second[1]), axis=1)
    return tf.reduce_mean(tf.nn.relu(scores + 0.1 * features - margin))


def _between(real, fake, alpha):
    alpha = tf.reshape(tf.cast(alpha, real.dtype), [-1] + [1] * (len(real.shape) - 1))
    return real + alpha * (fake - real)


def _squared_norms(critic, points):
    """|grad_x critic(x)|^2 for each x of `points`: float [batch]."""
    with tf.GradientTape() as tape:
        tape.watch(points)
        scores = critic(points)
    gradient = tf.cast(tape.gradient(scores, points), tf.float32)
    return tf.reduce_sum(tf.square(tf.reshape(gradient, [tf.shape(gradient)[0], -1])), axis=1)


def _norms(critic, points):
    return tf.sqrt(_squared_norms(critic, points) + _UNDER_ROOT)
