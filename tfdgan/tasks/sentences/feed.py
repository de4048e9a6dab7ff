"""How a generator of sentences is fed."""

from typing import Any

import tensorflow as tf

from tfdgan.models import gumbel_softmax
from tfdgan.models.rewriter import Rewriter
from tfdgan.models.sentences import SentenceGenerator
from tfdgan.tasks.sentences.options import SentenceOptions
from tfdgan.training.feed import Feed
from tfdgan.training.noise import Noise


class SentenceFeed(Feed):
    """Gumbel noise [n, length, vocabulary]; real words become one-hot. The generator's samples grow harder each step.

    Args:
      generator: its inverse temperature is set before each step.
      options: the course of the inverse temperature over the game.
    """

    def __init__(self, generator: SentenceGenerator | Rewriter, options: SentenceOptions) -> None:
        self._generator = generator
        self._schedule = options.temperature_schedule, options.inverse_temperature
        self._first, self._count = options.pretraining_steps, options.steps - options.pretraining_steps

    def draw(self, noise: Noise, number: int, purpose: str, draw: tf.Tensor) -> Any:
        return noise.gumbel([number, self._generator.length, self._generator.vocabulary], purpose, draw)

    def prepare_real(self, real: tf.Tensor, *labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tf.one_hot(real, self._generator.vocabulary), *labels

    def begin_step(self, step: tf.Tensor) -> None:
        progress = tf.cast(step - self._first, tf.float32) / self._count
        self._generator.set_inverse_temperature(gumbel_softmax.inverse_temperature(*self._schedule, progress))
