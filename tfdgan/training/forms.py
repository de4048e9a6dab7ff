"""How generators are fed, and how real samples come before critics: what differs between kinds of samples."""

import tensorflow as tf

from tfdgan.models import gumbel_softmax


def make(config, generator):
    """The form of what a task generates."""
    return Sentences(config, generator) if config.task == "text" else Vectors(config)


class Vectors:
    """Standard normal latents [n, latent_size]; samples as they are stored."""

    def __init__(self, config):
        self._latent_size = config.latent_size

    def draw(self, noise, number, purpose, draw):
        """`number` of the generator's inputs, by a `Noise`."""
        return noise.normal([number, self._latent_size], purpose, draw)

    def present(self, real):
        """A batch of stored samples as the critic takes it."""
        return real

    def prepare(self, step):
        """Before a step, a scalar int64 tensor."""


class Sentences:
    """Gumbel noise [n, length, vocabulary]; words are shown one-hot, and the generator's samples grow harder."""

    def __init__(self, config, generator):
        self._generator, self._schedule = generator, (config.temperature_schedule, config.inverse_temperature)
        self._first, self._count = config.pretraining_steps, config.steps - config.pretraining_steps

    def draw(self, noise, number, purpose, draw):
        return noise.gumbel([number, self._generator.length, self._generator.vocabulary], purpose, draw)

    def present(self, real):
        return tf.one_hot(real, self._generator.vocabulary)

    def prepare(self, step):
        progress = tf.cast(step - self._first, tf.float32) / self._count
        self._generator.cool(gumbel_softmax.inverse_temperature(*self._schedule, progress))
