"""A trained generator of sentences as a SavedModel that needs nothing but TensorFlow and returns text."""

import tensorflow as tf

from tfdgan.models import latents
from tfdgan.models.sentence_sampling import words_of

_SALT = 0x7FD6A4  # keeps its noise apart from other uses of the same seed


class SentenceModule(tf.Module):
    """The signature sample(number int64, temperature float32, seed int64) -> {"sentences": string [number]}.

    Args:
      sampler: a `SentenceSampler`.
      words: list of text, by number; None: sentences are numbers.
    """

    def __init__(self, sampler, words):
        super().__init__()
        self._generator = sampler.generator
        self.trainable_weights = [tf.Variable(w, trainable=False) for w in sampler.trainable]
        self.other_weights = [tf.Variable(w, trainable=False) for w in sampler.non_trainable]
        shown = words if words is not None else [str(number) for number in range(sampler.generator.vocabulary)]
        self.words = tf.constant(shown)

    def signatures(self):
        """{name: concrete function}."""
        specs = [
            tf.TensorSpec([], kind, name=name)
            for name, kind in (("number", tf.int64), ("temperature", tf.float32), ("seed", tf.int64))
        ]
        return {"sample": tf.function(self._sample).get_concrete_function(*specs)}

    def _sample(self, number, temperature, seed):
        generator = self._generator
        shape = [number, generator.length, generator.vocabulary]
        noise = temperature * latents.gumbel(shape, tf.stack([tf.constant(_SALT, tf.int64), seed]))
        weights, others = ([tf.convert_to_tensor(v) for v in g] for g in (self.trainable_weights, self.other_weights))
        numbers = words_of(generator, weights, others, noise)
        words = tf.where(generator.mask(numbers) > 0, tf.gather(self.words, numbers), "")
        return {"sentences": tf.strings.strip(tf.strings.reduce_join(words, axis=1, separator=" "))}
