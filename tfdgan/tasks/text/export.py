"""A generator of sentences as a SavedModel that needs nothing but TensorFlow and returns text."""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.models import latents
from tfdgan.tasks.integers import for_integers
from tfdgan.tasks.text.sampler import SentenceSampler, words_of

_CHUNK = 100  # sentences at a time: their noise takes 400 bytes a word of the vocabulary and place


class SentenceModule(tf.Module):
    """The signature sample(number int64, temperature float32, seed int64) -> {"sentences": string [number]}.

    `sample` of the module itself is the same for integers of int32 and int64 alike.

    Args:
      sampler: whose generator and weights are exported.
      words: list of text, by number; None: sentences are numbers.
    """

    def __init__(self, sampler: SentenceSampler, words: Sequence[str] | None) -> None:
        super().__init__()
        generator = sampler.generator
        # No attribute may be the model, or the SavedModel would hold its weights beside these.
        self._words_of, self._mask = functools.partial(words_of, generator), generator.mask
        self._length, self._vocabulary = generator.length, generator.vocabulary
        self.trainable_weights = [tf.Variable(w, trainable=False) for w in sampler.trainable]
        self.other_weights = [tf.Variable(w, trainable=False) for w in sampler.non_trainable]
        shown = words if words is not None else [str(number) for number in range(sampler.generator.vocabulary)]
        self.words = tf.constant(shown)

    def signatures(self) -> dict[str, Any]:
        """{name: concrete function}."""
        specs = [
            tf.TensorSpec([], kind, name=name)
            for name, kind in (("number", tf.int64), ("temperature", tf.float32), ("seed", tf.int64))
        ]
        drawn = tf.function(self._sample, autograph=False).get_concrete_function(*specs)

        def any_sample(number: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return drawn(number=tf.cast(number, tf.int64), temperature=temperature, seed=tf.cast(seed, tf.int64))

        self.sample = for_integers(any_sample, *specs)
        return {"sample": drawn}

    def _sample(self, number: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        weights, others = ([tf.convert_to_tensor(v) for v in g] for g in (self.trainable_weights, self.other_weights))
        above = tf.debugging.Assert(temperature > 0, ["temperature: must be above 0, not", temperature])
        with tf.control_dependencies([above]):
            temperature = tf.identity(temperature)
        seeds, shape = latents.exported_seeds(seed), [_CHUNK, self._length, self._vocabulary]

        def chunk(index: tf.Tensor) -> tf.Tensor:
            noise = latents.gumbel(shape, tf.random.experimental.stateless_fold_in(seeds, index))
            return self._words_of(weights, others, temperature * noise)

        chunks = tf.range(-(-number // _CHUNK))
        spec = tf.TensorSpec(shape[:2], tf.int32)
        numbers = tf.map_fn(chunk, chunks, fn_output_signature=spec, parallel_iterations=1)
        numbers = tf.reshape(numbers, [-1, self._length])[:number]
        words = tf.where(self._mask(numbers) > 0, tf.gather(self.words, numbers), "")
        return {"sentences": tf.strings.strip(tf.strings.reduce_join(words, axis=1, separator=" "))}
