"""How a rewriter is fed."""

from typing import Any

import tensorflow as tf

from tfdgan.tasks.sentences.feed import SentenceFeed
from tfdgan.training.noise import Noise


class RewriterFeed(SentenceFeed):
    """Inputs (Gumbel noise, shifts int32 [n]): a new style is the sentence's own style plus its shift, modulo styles.

    A real sample is (words, styles).
    """

    def draw(self, noise: Noise, number: int, purpose: str, draw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        others = self._generator.styles - 1
        shift = 1 + tf.cast(noise.uniform([number], f"{purpose} styles", draw) * others, tf.int32)
        return super().draw(noise, number, purpose, draw), shift

    def prepare_real(self, real: tf.Tensor, *labels: tf.Tensor) -> tuple[Any, ...]:
        return ((real, *labels),)

    def like_generated(self, samples: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        words, _ = samples
        return tf.one_hot(words, self._generator.vocabulary)
