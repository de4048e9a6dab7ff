"""A rewriter as a SavedModel that needs nothing but TensorFlow, from text to text."""

import functools
from typing import Any

import tensorflow as tf

from tfdgan.data.words import END, UNKNOWN
from tfdgan.tasks.style_transfer.sampler import TransferSampler, by

_CHUNK = 100  # sentences at a time: the memory of one step is 400 bytes a word of the vocabulary and beginning


class StyleModule(tf.Module):
    """The signature transfer(sentences string [n], style int32) -> {"sentences": string [n]}.

    Words stand between blanks; unknown ones are read as [UNK], words beyond the length are not read, and a sentence
    without words stays so.

    Args:
      sampler: whose generator and weights are exported.
    """

    def __init__(self, sampler: TransferSampler) -> None:
        super().__init__()
        generator, words = sampler.generator, sampler.vocabulary.words
        # No attribute may be the model, or the SavedModel would hold its weights beside these.
        self._rewritten, self._length = functools.partial(by(sampler.beam), generator), generator.length
        self._styles = generator.styles
        self.trainable_weights = [tf.Variable(w, trainable=False) for w in sampler.trainable]
        self.other_weights = [tf.Variable(w, trainable=False) for w in sampler.non_trainable]
        self.words = tf.constant(words)
        numbers = tf.lookup.KeyValueTensorInitializer(words[2:], tf.range(2, len(words)))
        self.numbers = tf.lookup.StaticHashTable(numbers, UNKNOWN)

    def signatures(self) -> dict[str, Any]:
        """{name: concrete function}."""
        specs = tf.TensorSpec([None], tf.string, name="sentences"), tf.TensorSpec([], tf.int32, name="style")
        return {"transfer": tf.function(self._transfer, autograph=False).get_concrete_function(*specs)}

    def _transfer(self, sentences: tf.Tensor, style: tf.Tensor) -> dict[str, tf.Tensor]:
        known = tf.debugging.Assert(
            (style >= 0) & (style < self._styles), [f"style: from 0 to {self._styles - 1}, not", style]
        )
        with tf.control_dependencies([known]):
            number = tf.shape(sentences)[0]
        blanks = tf.strings.regex_replace(sentences, r"[\s\pZ\x{85}]+", " ")  # as `generate` has them
        padded = tf.pad(blanks, [[0, -number % _CHUNK]], constant_values="")
        weights, others = ([tf.convert_to_tensor(v) for v in g] for g in (self.trainable_weights, self.other_weights))

        def chunk(texts: tf.Tensor) -> tf.Tensor:
            split = tf.strings.split(texts)
            numbers = tf.ragged.map_flat_values(self.numbers.lookup, split)
            numbers = numbers.to_tensor(default_value=END, shape=[_CHUNK, self._length])
            return self._rewritten(weights, others, (texts, numbers, tf.fill([_CHUNK], style), self.words))

        chunks = tf.reshape(padded, [-1, _CHUNK])
        found = tf.map_fn(chunk, chunks, fn_output_signature=tf.TensorSpec([_CHUNK], tf.string), parallel_iterations=1)
        return {"sentences": tf.reshape(found, [-1])[:number]}
