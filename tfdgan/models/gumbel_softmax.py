"""Samples of words that gradients pass through.

Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017, equation 2; Maddison, Mnih, Teh, "The
Concrete Distribution", ICLR 2017.
"""

import keras
import tensorflow as tf

SCHEDULES = ("constant", "linear", "exponential")


def inverse_temperature(schedule, last, progress):
    """beta at `progress` in [0, 1] of the adversarial steps, from 1 to `last`: 1 + (last - 1) p, or last^p, or `last`.

    The exponential one is RelGAN's (Nie et al., ICLR 2019, section 3.2).
    """
    progress = tf.cast(progress, tf.float32)
    if schedule == "constant":
        return tf.constant(last, tf.float32)
    if schedule == "linear":
        return 1.0 + (last - 1.0) * progress
    return tf.pow(tf.constant(last, tf.float32), progress)


class GumbelSoftmax(keras.layers.Layer):
    """(logits o, Gumbel noise g) [n, vocabulary] -> (softmax(beta (o + g)), argmax(o + g) int32 [n]).

    The argmax is a sample of softmax(o), its soft form what a critic sees; the soft form comes to it as beta grows.
    beta is a variable that is not trained, so that it stands in checkpoints.
    """

    def build(self, *_):
        self.beta = self.add_weight(name="inverse_temperature", shape=(), initializer="ones", trainable=False)
        self.built = True

    def call(self, logits, noise):
        noisy = logits + noise
        return tf.nn.softmax(tf.cast(self.beta, noisy.dtype) * noisy), tf.argmax(noisy, axis=1, output_type=tf.int32)
