"""A generator of images as a SavedModel that needs nothing but TensorFlow."""

import functools
from typing import Any

import tensorflow as tf

from tfdgan.models.latents import exported_seeds, normal
from tfdgan.models.stateless import applied
from tfdgan.tasks.integers import for_integers
from tfdgan.tasks.latent_sampler import LatentSampler


class ImageModule(tf.Module):
    """Signatures serving_default(latents float32 [n, latent_size]) -> images; sample(number int64, seed int64) ->
    images [number, ...], a function of the seed. Of a conditional generator: serving_default(latents, labels int32 [n])
    and sample(labels int32 [n], seed). All return {"images": float32}. `sample` of the module itself is the signature
    for integers of int32 and int64 alike.

    Args:
      sampler: whose generator and weights are exported.
    """

    def __init__(self, sampler: LatentSampler) -> None:
        super().__init__()
        # No attribute may be the model, or the SavedModel would hold its weights beside these.
        self._applied, self._latent_size = functools.partial(applied, sampler.generator), sampler.latent_size
        self._classes = sampler.classes or 0
        self.trainable_weights = [tf.Variable(w, trainable=False) for w in sampler.trainable]
        self.other_weights = [tf.Variable(w, trainable=False) for w in sampler.non_trainable]

    def _images(self, latents: tf.Tensor, *labels: tf.Tensor) -> dict[str, tf.Tensor]:
        weights = [tf.convert_to_tensor(v) for v in self.trainable_weights]
        others = [tf.convert_to_tensor(v) for v in self.other_weights]
        inputs = [latents, *labels] if labels else latents
        return {"images": self._applied(weights, others, inputs)}

    def _latents(self, number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return normal([number, self._latent_size], exported_seeds(seed))

    def signatures(self) -> dict[str, Any]:
        """{name: concrete function}."""
        latents = tf.TensorSpec([None, self._latent_size], tf.float32, name="latents")
        labels = tf.TensorSpec([None], tf.int32, name="labels")
        number, seed = tf.TensorSpec([], tf.int64, name="number"), tf.TensorSpec([], tf.int64, name="seed")

        def serve(latents: tf.Tensor, labels: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
            return self._images(latents) if labels is None else self._images(latents, labels)

        def sample(number: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._images(self._latents(number, seed))

        def sample_classes(labels: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            known = tf.reduce_all((labels >= 0) & (labels < self._classes))
            wrong = tf.debugging.Assert(known, [f"labels: from 0 to {self._classes - 1}, not", labels])
            with tf.control_dependencies([wrong]):
                labels = tf.identity(labels)
            return self._images(self._latents(tf.shape(labels)[0], seed), labels)

        def any_sample(number: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return drawn(number=tf.cast(number, tf.int64), seed=tf.cast(seed, tf.int64))

        def any_sample_classes(labels: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return drawn(labels=tf.cast(labels, tf.int32), seed=tf.cast(seed, tf.int64))

        if self._classes:
            served = tf.function(serve, autograph=False).get_concrete_function(latents, labels)
            drawn = tf.function(sample_classes, autograph=False).get_concrete_function(labels, seed)
            self.sample = for_integers(any_sample_classes, labels, seed)
        else:
            served = tf.function(serve, autograph=False).get_concrete_function(latents)
            drawn = tf.function(sample, autograph=False).get_concrete_function(number, seed)
            self.sample = for_integers(any_sample, number, seed)
        return {"serving_default": served, "sample": drawn}
