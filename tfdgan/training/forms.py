"""How generators are fed, and how real samples come before critics: what differs between kinds of samples."""

import tensorflow as tf

from tfdgan.models import gumbel_softmax


def make(config, generator):
    """The form of what a task generates."""
    if config.task == "image":
        return Vectors(config)
    return {"text": Sentences, "style_transfer": Rewritings}[config.task](config, generator)


class Vectors:
    """Standard normal latents [n, latent_size]; samples as they are stored."""

    def __init__(self, config):
        self._latent_size = config.latent_size

    def draw(self, noise, number, purpose, draw):
        """`number` of the generator's inputs, by a `Noise`."""
        return noise.normal([number, self._latent_size], purpose, draw)

    def present(self, real, *labels):
        """A batch of stored samples as the trainer takes it: (samples, *labels)."""
        return real, *labels

    def like_generated(self, samples):
        """Samples as the generator makes them."""
        return samples

    def prepare(self, step):
        """Before a step, a scalar int64 tensor."""


class Sentences(Vectors):
    """Gumbel noise [n, length, vocabulary]; words are shown one-hot, and the generator's samples grow harder."""

    def __init__(self, config, generator):
        self._generator, self._schedule = generator, (config.temperature_schedule, config.inverse_temperature)
        self._first, self._count = config.pretraining_steps, config.steps - config.pretraining_steps

    def draw(self, noise, number, purpose, draw):
        return noise.gumbel([number, self._generator.length, self._generator.vocabulary], purpose, draw)

    def present(self, real, *labels):
        return tf.one_hot(real, self._generator.vocabulary), *labels

    def prepare(self, step):
        progress = tf.cast(step - self._first, tf.float32) / self._count
        self._generator.cool(gumbel_softmax.inverse_temperature(*self._schedule, progress))


class Rewritings(Sentences):
    """(Gumbel noise, how far each sentence's new style is from its own, int32 [n]); a sample is (words, styles)."""

    def draw(self, noise, number, purpose, draw):
        others = self._generator.styles - 1
        shift = 1 + tf.cast(noise.uniform([number], f"{purpose} styles", draw) * others, tf.int32)
        return super().draw(noise, number, purpose, draw), shift

    def present(self, real, *labels):
        return ((real, *labels),)

    def like_generated(self, samples):
        words, _ = samples
        return tf.one_hot(words, self._generator.vocabulary)
