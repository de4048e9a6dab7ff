"""A sampler on latents that are a function of the sample's number."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfdgan.models import latents as distributions
from tfdgan.models.stateless import applied, compiled
from tfdgan.tasks.base import Sampler, Weights

_CHUNK = 100  # samples a call, always, so that no sample depends on how many are asked for


class LatentSampler(Sampler):
    """Samples on normal latents; latents are a function of (seed, purpose, sample number).

    Args:
      generator: latents [n, latent_size] (and labels int32 [n]) -> samples.
      weights, label: as `Sampler` takes them.
      latent_size: the length of a latent.
      classes: how many, of a conditional generator.
    """

    _function: ClassVar[Callable] = staticmethod(applied)

    def __init__(
        self,
        generator: keras.Model,
        weights: Weights,
        latent_size: int,
        label: str,
        classes: int | None = None,
    ) -> None:
        super().__init__(generator, weights, label)
        self.latent_size, self.classes = latent_size, classes

    def __call__(self, latents: Any, labels: Any = None) -> tf.Tensor:
        """Samples [n, ...] for latents float32 [n, latent_size]; batch norm uses its stored statistics."""
        inputs = latents if labels is None else [latents, labels]
        return compiled(self.generator, self._function)(self.trainable, self.non_trainable, inputs)

    def _draw(self, number: int, seeds: Any) -> tf.Tensor:
        return distributions.normal([number, self.latent_size], seeds)

    def latents(self, number: int, seed: int, purpose: str = "evaluation") -> tf.Tensor:
        """float32 [number, latent_size]; the first k are the same for every number >= k."""
        chunks = [self._chunk(seed, purpose, i)[0] for i in range(-(-number // _CHUNK))]
        return tf.concat(chunks, axis=0)[:number]

    def _chunk(self, seed: int, purpose: str, index: int) -> list[tf.Tensor]:
        """[latents], or [latents, labels] with each class as likely as any."""
        digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=8).digest()
        seeds = [int.from_bytes(digest, "little", signed=True), index]
        latents = self._draw(_CHUNK, seeds)
        if not self.classes:
            return [latents]
        seeds = tf.random.experimental.stateless_fold_in(seeds, 1)
        return [latents, tf.random.stateless_uniform([_CHUNK], seeds, maxval=self.classes, dtype=tf.int32)]

    def batches(
        self, number: int, seed: int, purpose: str = "evaluation", part: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (number of the first, at most 100 samples), `number` in all; `part` (i, n): every n-th from i on."""
        for index in range(part[0], -(-number // _CHUNK), part[1]):
            yield index * _CHUNK, self(*self._chunk(seed, purpose, index)).numpy()[: number - index * _CHUNK]

    def samples(self, number: int, seed: int, purpose: str = "evaluation") -> np.ndarray:
        """[number, ...], such as float32 images."""
        return np.concatenate([samples for _, samples in self.batches(number, seed, purpose)])

    def at(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """[n, ...]: the samples of chosen latents float32 [n, latent_size], and labels int [n]."""
        made = []
        for start in range(0, len(latents), _CHUNK):
            inputs = [latents[start : start + _CHUNK]]
            if labels is not None:
                inputs.append(tf.constant(labels[start : start + _CHUNK], tf.int32))
            made.append(self(*inputs).numpy())
        return np.concatenate(made)
