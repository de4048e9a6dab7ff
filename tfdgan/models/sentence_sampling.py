"""A generator of sentences with weights of its own choice, at any temperature."""

import copy

import numpy as np
import tensorflow as tf

from tfdgan.models import latents
from tfdgan.models.sampling import Sampler, compiled
from tfdgan.models.stateless import applied, under


def words_of(model, trainable, non_trainable, noise):
    """int32 [n, length] of Gumbel noise [n, length, vocabulary], times the temperature."""
    return tf.argmax(applied(model, trainable, non_trainable, noise), axis=2, output_type=tf.int32)


def _log_likelihood(model, trainable, non_trainable, words):
    """float32 [2]: the sum of log p(word | words before it), and how many words they are."""
    with under(model, trainable, non_trainable):
        return tf.stack([tf.reduce_sum(model.log_probabilities(words)), tf.reduce_sum(model.mask(words))])


class SentenceSampler(Sampler):
    """Sentences, int32 [n, length], each word a sample of softmax(logits / temperature) after the words before it.

    Args:
      generator, weights, label: as `Sampler` takes them; a `SentenceGenerator`.
      temperature: above 0; 1 samples the model's own distribution.
    """

    _sample = staticmethod(words_of)

    def __init__(self, generator, weights, label, temperature=1.0):
        super().__init__(generator, weights, latent_size=None, label=label)
        self.temperature = temperature

    def at_temperature(self, temperature):
        """The same generator at another temperature."""
        other = copy.copy(self)
        other.temperature = temperature
        return other

    def _draw(self, number, seeds):
        # argmax(o / t + g) is argmax(o + t g).
        return self.temperature * latents.gumbel([number, self.generator.length, self.generator.vocabulary], seeds)

    def log_likelihood(self, words):
        """float64 [2]: the sum of log p(word | words before it) over words int32 [n, length], and their number.

        The first END of a sentence counts as a word. The temperature is 1 here.
        """
        found = compiled(self.generator, _log_likelihood)(self.trainable, self.non_trainable, tf.constant(words))
        return found.numpy().astype(np.float64)
