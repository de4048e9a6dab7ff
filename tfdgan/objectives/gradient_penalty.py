"""The gradient penalty that keeps a critic near 1-Lipschitz."""

import tensorflow as tf

_UNDER_ROOT = 1e-12  # keeps the gradient of the norm finite where the critic is flat


def gradient_penalty(critic, real, fake, alpha):
    """mean over the batch of (|grad_x critic(x)| - 1)^2 at x = real + alpha (fake - real): scalar.

    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, equation 3. For critic(x) = c.x
    it is (|c| - 1)^2 whatever the samples.

    Args:
      critic: function from samples to scores [batch] or [batch, 1].
      real, fake: samples [batch, ...].
      alpha: interpolation coefficients in [0, 1], shape [batch].
    """
    alpha = tf.reshape(alpha, [-1] + [1] * (len(real.shape) - 1))
    points = real + alpha * (fake - real)
    with tf.GradientTape() as tape:
        tape.watch(points)
        scores = critic(points)
    gradient = tape.gradient(scores, points)
    squares = tf.reduce_sum(tf.square(tf.reshape(gradient, [tf.shape(gradient)[0], -1])), axis=1)
    return tf.reduce_mean(tf.square(tf.sqrt(squares + _UNDER_ROOT) - 1.0))
