"""A generator with weights of its own choice, as a function from sample numbers to samples."""

import hashlib
import weakref

import numpy as np
import tensorflow as tf

from tfdgan.models import latents as distributions
from tfdgan.models.stateless import applied

_CHUNK = 100  # samples a call, always, so that one sample does not depend on how many are asked for


_functions = weakref.WeakKeyDictionary()  # {model: {function: compiled}}


def compiled(model, function):
    """`function(model, trainable, non_trainable, inputs)` as a function of the last three.

    Compiled once for a model and a module's function, however many samplers they serve.
    """
    kept = _functions.setdefault(model, {})
    if function not in kept:
        reference = weakref.ref(model)
        kept[function] = tf.function(
            lambda *arguments: function(reference(), *arguments), autograph=False, reduce_retracing=True
        )
    return kept[function]


class Sampler:
    """Samples of a generator under given weights, on latents that are a function of (seed, sample number).

    Args:
      generator: a built Keras model, latents [n, latent_size] (and labels int32 [n]) -> samples.
      weights: (trainable, non_trainable) lists of arrays or tensors in the model's order; they are copied.
      latent_size: the length of a latent.
      label: what the weights are, e.g. "consensus EMA"; stands in every score's signature.
      classes: how many, of a conditional generator.
    """

    _sample = staticmethod(applied)

    def __init__(self, generator, weights, latent_size, label, classes=None):
        self.generator, self.latent_size, self.label, self.classes = generator, latent_size, label, classes
        self.trainable, self.non_trainable = ([tf.constant(np.asarray(w)) for w in group] for group in weights)

    def __call__(self, latents, labels=None):
        """Samples [n, ...] for latents float32 [n, latent_size]; batch norm uses its stored statistics."""
        inputs = latents if labels is None else [latents, labels]
        return compiled(self.generator, self._sample)(self.trainable, self.non_trainable, inputs)

    def _draw(self, number, seeds):
        return distributions.normal([number, self.latent_size], seeds)

    def latents(self, number, seed, purpose="evaluation"):
        """float32 [number, latent_size]; the first k are the same for every number >= k."""
        chunks = [self._chunk(seed, purpose, i)[0] for i in range(-(-number // _CHUNK))]
        return tf.concat(chunks, axis=0)[:number]

    def _chunk(self, seed, purpose, index):
        """[latents], or [latents, labels] with each class as likely as any."""
        digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=8).digest()
        seeds = [int.from_bytes(digest, "little", signed=True), index]
        latents = self._draw(_CHUNK, seeds)
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
