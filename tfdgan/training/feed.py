"""The contract `Feed`: how a generator is fed, and how real samples come before a critic."""

import abc
from typing import Any

import tensorflow as tf

from tfdgan.training.noise import Noise


class Feed(abc.ABC):
    """What differs between kinds of samples in a step. All methods are traced into the step's `tf.function`."""

    @abc.abstractmethod
    def draw(self, noise: Noise, number: int, purpose: str, draw: tf.Tensor) -> Any:
        """`number` inputs of the generator: a function of `noise`, `purpose` and `draw` alone.

        Args:
          noise: a learner's random numbers.
          number: how many.
          purpose: a text for each use of random numbers.
          draw: scalar int64, the number of the draw for this purpose.
        """

    def prepare_real(self, real: tf.Tensor, *labels: tf.Tensor) -> tuple[Any, ...]:
        """A batch of stored samples as the critic takes it: (samples, *labels)."""
        return real, *labels

    def like_generated(self, samples: Any) -> tf.Tensor:
        """Samples, as `prepare_real` gives them, in the generator's form."""
        return samples

    def begin_step(self, step: tf.Tensor) -> None:
        """Before step number `step` of the run, scalar int64."""
        del step


class LatentFeed(Feed):
    """Standard normal latents [n, latent_size]; samples as they are stored."""

    def __init__(self, latent_size: int) -> None:
        self._latent_size = latent_size

    def draw(self, noise: Noise, number: int, purpose: str, draw: tf.Tensor) -> tf.Tensor:
        return noise.normal([number, self._latent_size], purpose, draw)
