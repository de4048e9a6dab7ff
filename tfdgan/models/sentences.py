"""A generator of sentences around a recurrent cell, word by word."""

import keras
import tensorflow as tf
from keras import layers

from tfdgan.models import gumbel_softmax, text_critic


class SentenceGenerator(keras.Model):
    """Gumbel noise [n, length, vocabulary] -> soft sentences of the same shape.

    At each place o are the logits after the words before it, w = argmax(o + g) is the word, softmax(beta (o + g)) what
    is returned, and w is what comes next in: a sample of the model's own distribution, through whose soft form
    gradients pass. Noise times t samples at temperature t. After the first END, if sentences have one, all is END.

    Args:
      cell: a Keras RNN cell.
      length, vocabulary: of sentences.
      embedding_size: of words.
      ends: whether sentences end; else word 0 is one like the others.
    """

    def __init__(self, cell, length, vocabulary, embedding_size, ends, **kwargs):
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

    def call(self, noise, training=None):
        del training

        def advance(word, state):
            output, state = self._cell(self._embedding(word), state)
            return self._logits(output), tf.nest.flatten(state)

        state = tf.nest.flatten(self._cell.get_initial_state(batch_size=tf.shape(noise)[0]))
        return gumbel_softmax.write(advance, self._choose, noise, state, self.length, self.ends)

    def cool(self, beta):
        """Set the inverse temperature of the soft samples."""
        self._choose.beta.assign(beta)

    def log_probabilities(self, words, training=False):
        """log p(word | words before it): float32 [n, length], for int32 words [n, length]; 0 after the first END.

        One pass of the cell over true words; embedding and logits are computed for all places at once.
        """
        del training
        start = tf.fill([tf.shape(words)[0], 1], self.vocabulary)
        before = tf.concat([start, words[:, :-1]], axis=1)
        logits = self._logits(self._recurrent(self._embedding(before)))
        found = -tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        return found * self.mask(words)

    def mask(self, words):
        """float32 [n, length]: 1 for the words of sentences, their first END included, 0 after it."""
        return gumbel_softmax.mask(words, self.ends)


def build(config, sample_shape, cell):
    """(`SentenceGenerator`, critic) for `sample_shape` = (length, vocabulary)."""
    length, vocabulary = sample_shape
    ends = config.sentences_end
    generator = SentenceGenerator(cell, length, vocabulary, config.embedding_size, ends, name="generator")
    return generator, text_critic.build(length, vocabulary, config.representations, config.width_d)
