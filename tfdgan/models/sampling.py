"""A generator with weights of its own choice, as a function from sample numbers to samples."""

import hashlib
import weakref

import numpy as np
import tensorflow as tf

_CHUNK = 100  # samples a call, always, so that one sample does not depend on how many are asked for


_functions = weakref.WeakKeyDictionary()


def _function_of(generator):
    """(trainable, non_trainable, inputs) -> samples, compiled once for a model, however many samplers it serves."""
    if generator not in _functions:
        model = weakref.ref(generator)

        def samples(trainable, non_trainable, inputs):
            return model().stateless_call(trainable, non_trainable, inputs, training=False)[0]

        _functions[generator] = tf.function(samples, autograph=False, reduce_retracing=True)
    return _functions[generator]


class Sampler:
    """Samples of a generator under given weights, on latents that are a function of (seed, sample number).

    Args:
      generator: a built Keras model, latents [n, latent_size] (and labels int32 [n]) -> samples.
      weights: (trainable, non_trainable) lists of arrays or tensors in the model's order; they are copied.
      latent_size: the length of a latent.
      label: what the weights are, e.g. "consensus EMA"; stands in every score's signature.
      classes: how many, of a conditional generator.
    """

    def __init__(self, generator, weights, latent_size, label, classes=None):
        self.generator, self.latent_size, self.label, self.classes = generator, latent_size, label, classes
        self.trainable, self.non_trainable = ([tf.constant(np.asarray(w)) for w in group] for group in weights)

    def __call__(self, latents, labels=None):
        """Samples [n, ...] for latents float32 [n, latent_size]; batch norm uses its stored statistics."""
        inputs = latents if labels is None else [latents, labels]
        return _function_of(self.generator)(self.trainable, self.non_trainable, inputs)

    def latents(self, number, seed, purpose="evaluation"):
        """float32 [number, latent_size]; the first k are the same for every number >= k."""
        chunks = [self._chunk(seed, purpose, i)[0] for i in range(-(-number // _CHUNK))]
        return tf.concat(chunks, axis=0)[:number]

    def _chunk(self, seed, purpose, index):
        """[latents], or [latents, labels] with each class as likely as any."""
        digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=8).digest()
        seeds = [int.from_bytes(digest, "little", signed=True), index]
        latents = tf.random.stateless_normal([_CHUNK, self.latent_size], seeds)
        if not self.classes:
            return [latents]
        seeds = tf.random.experimental.stateless_fold_in(seeds, 1)
        return [latents, tf.random.stateless_uniform([_CHUNK], seeds, maxval=self.classes, dtype=tf.int32)]

    def batches(self, number, seed, purpose="evaluation", part=(0, 1)):
        """Yields (number of the first, at most 100 samples), `number` in all; `part` (i, n): every n-th from i on."""
        for index in range(part[0], -(-number // _CHUNK), part[1]):
            yield index * _CHUNK, self(*self._chunk(seed, purpose, index)).numpy()[: number - index * _CHUNK]

    def samples(self, number, seed, purpose="evaluation"):
        """float32 [number, ...]."""
        return np.concatenate([samples for _, samples in self.batches(number, seed, purpose)])

    def at(self, latents, labels=None):
        """float32 [n, ...]: the samples of chosen latents float32 [n, latent_size], and labels int [n]."""
        made = []
        for start in range(0, len(latents), _CHUNK):
            inputs = [latents[start : start + _CHUNK]]
            if labels is not None:
                inputs.append(tf.constant(labels[start : start + _CHUNK], tf.int32))
            made.append(self(*inputs).numpy())
        return np.concatenate(made)
