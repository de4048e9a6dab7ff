"""What is added to a critic's loss so that the critic stays smooth: pure functions of a critic and samples.

`critic` is a function from samples [batch, ...] to scores [batch] or [batch, 1]. Each penalty is a scalar.
"""

from collections.abc import Callable

import tensorflow as tf

_UNDER_ROOT = 1e-12  # keeps the gradient of the norm finite where the critic is flat

Critic = Callable[[tf.Tensor], tf.Tensor]


def two_sided(critic: Critic, real: tf.Tensor, fake: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """mean over the batch of (|grad_x critic(x)| - 1)^2 at x = real + alpha (fake - real).

    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, equation 3. For critic(x) = c.x
    the penalty is (|c| - 1)^2 whatever the samples.

    Args:
      real, fake: samples [batch, ...].
      alpha: interpolation coefficients in [0, 1], [batch].
    """
    return tf.reduce_mean(tf.square(_norms(critic, _between(real, fake, alpha)) - 1.0))


def one_sided(critic: Critic, real: tf.Tensor, fake: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """mean of max(0, |grad_x critic(x)| - 1)^2 at the points of `two_sided`: slopes below 1 cost nothing.

    Petzka, Fischer, Lukovnikov, "On the Regularization of Wasserstein GANs", ICLR 2018, equation 8.
    """
    return tf.reduce_mean(tf.square(tf.nn.relu(_norms(critic, _between(real, fake, alpha)) - 1.0)))


def r1(critic: Critic, real: tf.Tensor, fake: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """mean of |grad_x critic(x)|^2 / 2 at the real samples. For critic(x) = c.x the penalty is |c|^2 / 2.

    Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018, equation 9.
    `fake` and `alpha` are not looked at.
    """
    return tf.reduce_mean(_squared_norms(critic, real)) / 2.0


def r1_r2(critic: Critic, real: tf.Tensor, fake: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """`r1`, and the same at the generated samples: mean of |grad_x critic(x)|^2 / 2 of either, added.

    Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN!", NeurIPS 2024, section 2, whose gamma is
    the weight of the penalty. For critic(x) = c.x the penalty is |c|^2. `alpha` is not looked at. The critic sees both
    batches once more than for its scores.
    """
    return r1(critic, real, fake, alpha) + r1(critic, fake, real, alpha)


def consistency(
    first: tuple[tf.Tensor, tf.Tensor], second: tuple[tf.Tensor, tf.Tensor], margin: float = 0.0
) -> tf.Tensor:
    """mean of max(0, (f - f')^2 + 0.1 mean_j (h_j - h'_j)^2 - margin): scalar.

    `first` and `second` are two passes of the same real samples through a critic with dropout. Wei et al., "Improving
    the Improved Training of Wasserstein GANs", ICLR 2018, equation 4, squared as in its released code.

    Args:
      first, second: (scores f [batch] or [batch, 1], features h [batch, m]) of a pass each.
      margin: the difference that costs nothing.
    """
    scores = tf.square(tf.reshape(first[0] - second[0], [-1]))
    features = tf.reduce_mean(tf.square(first[1] - second[1]), axis=1)
    return tf.reduce_mean(tf.nn.relu(scores + 0.1 * features - margin))


def _between(real: tf.Tensor, fake: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    alpha = tf.reshape(tf.cast(alpha, real.dtype), [-1] + [1] * (len(real.shape) - 1))
    return real + alpha * (fake - real)


def _squared_norms(critic: Critic, points: tf.Tensor) -> tf.Tensor:
    """|grad_x critic(x)|^2 for each x of `points`: float [batch]."""
    with tf.GradientTape() as tape:
        tape.watch(points)
        scores = critic(points)
    gradient = tf.cast(tape.gradient(scores, points), tf.float32)
    return tf.reduce_sum(tf.square(tf.reshape(gradient, [tf.shape(gradient)[0], -1])), axis=1)


def _norms(critic: Critic, points: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(_squared_norms(critic, points) + _UNDER_ROOT)
