"""A trained generator as a SavedModel that needs nothing but TensorFlow."""

import functools
import os
import shutil

import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.models.latents import exported_seeds, normal
from tfdgan.models.stateless import applied


class ImageModule(tf.Module):
    """Signatures serving_default(latents float32 [n, latent_size]) -> images; sample(number int64, seed int64) ->
    images [number, ...], a function of the seed. Of a conditional generator: serving_default(latents, labels int32 [n])
    and sample(labels int32 [n], seed). All return {"images": float32}.

    Args:
      sampler: a `Sampler`.
    """

    def __init__(self, sampler):
        super().__init__()
        # No attribute may be the model, or the SavedModel would hold its weights beside these.
        self._applied, self._latent_size = functools.partial(applied, sampler.generator), sampler.latent_size
        self._conditional = sampler.classes is not None
        self.trainable_weights = [tf.Variable(w, trainable=False) for w in sampler.trainable]
        self.other_weights = [tf.Variable(w, trainable=False) for w in sampler.non_trainable]

    def _images(self, latents, *labels):
        weights = [tf.convert_to_tensor(v) for v in self.trainable_weights]
        others = [tf.convert_to_tensor(v) for v in self.other_weights]
        inputs = [latents, *labels] if labels else latents
        return {"images": self._applied(weights, others, inputs)}

    def _latents(self, number, seed):
        return normal([number, self._latent_size], exported_seeds(seed))

    def signatures(self):
        """{name: concrete function}."""
        latents = tf.TensorSpec([None, self._latent_size], tf.float32, name="latents")
        labels = tf.TensorSpec([None], tf.int32, name="labels")
        number, seed = tf.TensorSpec([], tf.int64, name="number"), tf.TensorSpec([], tf.int64, name="seed")

        def serve(latents, labels=None):
            return self._images(latents) if labels is None else self._images(latents, labels)

        def sample(number, seed):
            return self._images(self._latents(number, seed))

        def sample_classes(labels, seed):
            return self._images(self._latents(tf.shape(labels)[0], seed), labels)

        if self._conditional:
            served, drawn = (serve, latents, labels), (sample_classes, labels, seed)
        else:
            served, drawn = (serve, latents), (sample, number, seed)
        return {
            name: tf.function(function).get_concrete_function(*specs)
            for name, (function, *specs) in {"serving_default": served, "sample": drawn}.items()
        }


def export(module, path):
    """Write a tf.Module with `signatures()` to the new folder `path`; returns the signatures' names."""
    if os.path.exists(path):
        raise UserError(f"--output={path}: exists already; choose a new folder")
    beside = f"{os.path.normpath(path)}.{os.getpid()}.tmp"
    signatures = module.signatures()
    try:
        tf.saved_model.save(module, beside, signatures=signatures)
        os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sorted(signatures)
