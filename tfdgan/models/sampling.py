"""A generator with weights of its own choice, as a function from sample numbers to samples."""

import hashlib

import numpy as np
import tensorflow as tf

_CHUNK = 100  # samples a call


class Sampler:
    """Samples of a generator under given weights, on latents that are a function of (seed, sample number).

    Args:
      generator: a built Keras model, latents [n, latent_size] -> samples.
      weights: (trainable, non_trainable) lists of arrays or tensors in the model's order; they are copied.
      latent_size: the length of a latent.
      label: what the weights are, e.g. "consensus EMA"; stands in every score's signature.
    """

    def __init__(self, generator, weights, latent_size, label):
        self.generator, self.latent_size, self.label = generator, latent_size, label
        self.trainable, self.non_trainable = ([tf.constant(np.asarray(w)) for w in group] for group in weights)

    @tf.function(autograph=False, reduce_retracing=True)
    def __call__(self, latents):
        """Samples [n, ...] for latents float32 [n, latent_size]; batch norm uses its stored statistics."""
        return self.generator.stateless_call(self.trainable, self.non_trainable, latents, training=False)[0]

    def latents(self, number, seed, purpose="evaluation"):
        """float32 [number, latent_size]; the first k are the same for every number >= k."""
        chunks = [self._latent_chunk(seed, purpose, i) for i in range(-(-number // _CHUNK))]
        return tf.concat(chunks, axis=0)[:number]

    def _latent_chunk(self, seed, purpose, index):
        digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=8).digest()
        seeds = [int.from_bytes(digest, "little", signed=True), index]
        return tf.random.stateless_normal([_CHUNK, self.latent_size], seeds)

    def batches(self, number, seed, purpose="evaluation"):
        """Yields arrays of at most 100 samples, `number` in all."""
        for index in range(-(-number // _CHUNK)):
            samples = self(self._latent_chunk(seed, purpose, index)).numpy()
            yield samples[: number - index * _CHUNK]

    def samples(self, number, seed, purpose="evaluation"):
        """float32 [number, ...]."""
        return np.concatenate(list(self.batches(number, seed, purpose)))
