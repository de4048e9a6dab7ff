"""A sampler of sentences: a generator under given weights, at any temperature."""

import copy
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from tfdgan.models import latents
from tfdgan.models.sentences import SentenceGenerator
from tfdgan.models.stateless import applied, compiled, under
from tfdgan.tasks.base import Weights
from tfdgan.tasks.latent_sampler import LatentSampler


def words_of(
    model: SentenceGenerator, trainable: list[tf.Tensor], non_trainable: list[tf.Tensor], noise: tf.Tensor
) -> tf.Tensor:
    """Words int32 [n, length], from Gumbel noise [n, length, vocabulary] that is multiplied by the temperature."""
    return tf.argmax(applied(model, trainable, non_trainable, noise), axis=2, output_type=tf.int32)


def _log_likelihood(
    model: SentenceGenerator, trainable: list[tf.Tensor], non_trainable: list[tf.Tensor], words: tf.Tensor
) -> tf.Tensor:
    """float32 [2]: the sum of log p(word | words before it), and how many words they are."""
    with under(model, trainable, non_trainable):
        return tf.stack([tf.reduce_sum(model.log_probabilities(words)), tf.reduce_sum(model.mask(words))])


class SentenceSampler(LatentSampler):
    """Sentences, int32 [n, length], each word a sample of softmax(logits / temperature) after the words before it.

    Args:
      generator, weights, label: as `Sampler` takes them.
      temperature: above 0; 1 samples the model's own distribution.
    """

    _function: ClassVar[Callable] = staticmethod(words_of)

    def __init__(self, generator: SentenceGenerator, weights: Weights, label: str, temperature: float = 1.0) -> None:
        super().__init__(generator, weights, latent_size=0, label=label)
        self.temperature = temperature

    def at_temperature(self, temperature: float) -> Self:
        """The same generator at another temperature."""
        other = copy.copy(self)
        other.temperature = temperature
        return other

    def _draw(self, number: int, seeds: Any) -> tf.Tensor:
        # argmax(o / t + g) is argmax(o + t g).
        return self.temperature * latents.gumbel([number, self.generator.length, self.generator.vocabulary], seeds)

    def log_likelihood(self, words: np.ndarray) -> np.ndarray:
        """float64 [2]: the sum of log p(word | words before it) over words int32 [n, length], and their number.

        The first END of a sentence counts as a word. The temperature is 1 here.
        """
        found = compiled(self.generator, _log_likelihood)(self.trainable, self.non_trainable, tf.constant(words))
        return found.numpy().astype(np.float64)
