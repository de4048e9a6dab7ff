"""Random numbers that are a function of (seed, learner, purpose, draw): nothing to store, nothing to restore."""

import hashlib
from collections.abc import Sequence

import tensorflow as tf

from tfdgan.models import latents


class Noise:
    """A learner's random numbers.

    Args:
      seed: the experiment's seed.
      learner: this learner's number, or any other label of a stream of its own.
    """

    def __init__(self, seed: int, learner: int | str) -> None:
        self._seed, self._learner = seed, learner

    def _seeds(self, purpose: str, draw: int | tf.Tensor) -> tf.Tensor:
        digest = hashlib.blake2b(repr((self._seed, self._learner, purpose)).encode(), digest_size=8).digest()
        return tf.stack([tf.constant(int.from_bytes(digest, "little", signed=True), tf.int64), tf.cast(draw, tf.int64)])

    def normal(self, shape: Sequence[int], purpose: str, draw: int | tf.Tensor) -> tf.Tensor:
        """float32 standard normal numbers of `shape`; `draw` is an int or a scalar tensor."""
        return tf.random.stateless_normal(shape, self._seeds(purpose, draw))

    def gumbel(self, shape: Sequence[int], purpose: str, draw: int | tf.Tensor) -> tf.Tensor:
        """float32 standard Gumbel numbers of `shape`."""
        return latents.gumbel(shape, self._seeds(purpose, draw))

    def uniform(self, shape: Sequence[int], purpose: str, draw: int | tf.Tensor) -> tf.Tensor:
        """float32 uniform numbers in [0, 1) of `shape`."""
        return tf.random.stateless_uniform(shape, self._seeds(purpose, draw))
