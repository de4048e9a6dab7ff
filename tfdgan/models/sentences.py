"""A generator of sentences around a recurrent cell, word by word."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tfdgan.models import gumbel_softmax, text_critic


@keras.saving.register_keras_serializable(package="tfdgan")
class SentenceGenerator(keras.Model):
    """Gumbel noise [n, length, vocabulary] -> soft sentences of the same shape.

    At each place o are the logits after the words before it, and g is the noise. The word w = argmax(o + g) is a sample
    of the model's distribution, and the cell's next input. softmax(beta (o + g)), the soft form of w, is returned;
    gradients pass through it. Noise times t samples at temperature t. If sentences end, every word after the first END
    is END.

    Args:
      cell: a Keras RNN cell.
      length, vocabulary: of sentences.
      embedding_size: of words.
      ends: whether sentences end; else word 0 is a word like the others.
    """

    def __init__(
        self, cell: layers.Layer, length: int, vocabulary: int, embedding_size: int, ends: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.length, self.vocabulary, self.ends = length, vocabulary, ends
        self._cell = cell
        self._recurrent = layers.RNN(cell, return_sequences=True, name="recurrent")
        self._embedding = layers.Embedding(vocabulary + 1, embedding_size, name="embedding")  # the last: the start
        self._logits = layers.Dense(vocabulary, dtype="float32", name="logits")
        self._choose = gumbel_softmax.GumbelSoftmax(vocabulary, name="choice", dtype="float32")
        self._recurrent.build((None, length, embedding_size))
        self._embedding.build((None,))
        self._logits.build((None, cell.output_size))
        self._choose.build()
        self.built = True

    def call(self, noise: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        del training

        def advance(word: tf.Tensor, state: gumbel_softmax.State) -> tuple[tf.Tensor, gumbel_softmax.State]:
            output, state = self._cell(self._embedding(word), state)
            return self._logits(output), tf.nest.flatten(state)

        state = tf.nest.flatten(self._cell.get_initial_state(batch_size=tf.shape(noise)[0]))
        return gumbel_softmax.write(advance, self._choose, noise, state, self.length, self.ends)

    def get_config(self) -> dict[str, Any]:
        sizes = dict(length=self.length, vocabulary=self.vocabulary, embedding_size=self._embedding.output_dim)
        return {"cell": layers.serialize(self._cell), **sizes, "ends": self.ends, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "SentenceGenerator":
        return cls(**{**config, "cell": layers.deserialize(config["cell"], custom_objects=custom_objects)})

    def set_inverse_temperature(self, beta: tf.Tensor | float) -> None:
        """Set beta, the inverse temperature of the soft sentences."""
        self._choose.beta.assign(beta)

    def log_probabilities(self, words: tf.Tensor, training: bool = False) -> tf.Tensor:
        """log p(word | words before it): float32 [n, length], for int32 words [n, length]; 0 after the first END.

        One pass of the cell over true words; embedding and logits are computed for all places at once.
        """
        del training
        start = tf.fill([tf.shape(words)[0], 1], self.vocabulary)
        before = tf.concat([start, words[:, :-1]], axis=1)
        logits = self._logits(self._recurrent(self._embedding(before)))
        found = -tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        return found * self.mask(words)

    def mask(self, words: tf.Tensor) -> tf.Tensor:
        """float32 [n, length], of int32 words: 1 up to the first END, which is included, 0 after it."""
        return gumbel_softmax.mask(words, self.ends)


def build(
    cell: layers.Layer,
    sample_shape: tuple[int, int],
    *,
    embedding_size: int,
    representations: int,
    filters: int,
    ends: bool,
) -> tuple[SentenceGenerator, keras.Model]:
    """(generator around a cell, critic) of sentences.

    Args:
      cell: a Keras RNN cell.
      sample_shape: (length, vocabulary).
      embedding_size: numbers that stand for a word in the generator.
      representations, filters: of the critic, as `text_critic.build` takes them.
      ends: whether word 0 ends a sentence.
    """
    length, vocabulary = sample_shape
    generator = SentenceGenerator(cell, length, vocabulary, embedding_size, ends, name="generator")
    return generator, text_critic.build(length, vocabulary, representations, filters)
