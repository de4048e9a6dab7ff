"""A generator of sentences around a recurrent cell, word by word."""

import keras
import tensorflow as tf
from keras import layers

from tfdgan.models import text_critic
from tfdgan.models.gumbel_softmax import GumbelSoftmax

END = 0  # the word after the last one, which also fills what is left of the length


class SentenceGenerator(keras.Model):
    """Gumbel noise [n, length, vocabulary] -> soft sentences of the same shape, in training words of a generator GAN.

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
        self._choose = GumbelSoftmax(name="choice", dtype="float32")
        self._recurrent.build((None, length, embedding_size))
        self._embedding.build((None,))
        self._logits.build((None, cell.output_size))
        self._choose.build()
        self.built = True

    def call(self, noise, training=None):
        del training
        number = tf.shape(noise)[0]
        noise = tf.transpose(noise, [1, 0, 2])  # [length, n, vocabulary]
        state = tf.nest.flatten(self._cell.get_initial_state(batch_size=number))
        written = tf.TensorArray(tf.float32, self.length, element_shape=[None, self.vocabulary])
        end = tf.one_hot(END, self.vocabulary)

        def write(place, word, ended, state, written):
            output, state = self._cell(self._embedding(word), state)
            soft, word = self._choose(self._logits(output), noise[place])
            if self.ends:
                soft = tf.where(ended[:, tf.newaxis], end, soft)
                word = tf.where(ended, END, word)
                ended |= word == END
            return place + 1, word, ended, tf.nest.flatten(state), written.write(place, soft)

        begin = (0, tf.fill([number], self.vocabulary), tf.fill([number], False), state, written)
        *_, written = tf.while_loop(
            lambda place, *_: place < self.length,
            write,
            begin,
            maximum_iterations=self.length,
            parallel_iterations=1,
        )
        soft = tf.transpose(written.stack(), [1, 0, 2])
        return tf.ensure_shape(soft, [None, self.length, self.vocabulary])

    def cool(self, beta):
        """Set the inverse temperature of the soft samples."""
        self._choose.beta.assign(beta)

    def log_probabilities(self, words):
        """log p(word | words before it): float32 [n, length], for int32 words [n, length]; 0 after the first END.

        One pass of the cell over true words; embedding and logits are computed for all places at once.
        """
        start = tf.fill([tf.shape(words)[0], 1], self.vocabulary)
        before = tf.concat([start, words[:, :-1]], axis=1)
        logits = self._logits(self._recurrent(self._embedding(before)))
        found = -tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        return found * self.mask(words)

    def mask(self, words):
        """float32 [n, length]: 1 for the words of sentences, their first END included, 0 after it."""
        ended = tf.cast((words == END) & self.ends, tf.int32)
        return tf.cast(tf.cumsum(ended, axis=1, exclusive=True) == 0, tf.float32)


def build(config, sample_shape, cell):
    """(`SentenceGenerator`, critic) for `sample_shape` = (length, vocabulary)."""
    length, vocabulary = sample_shape
    ends = config.sentences_end
    generator = SentenceGenerator(cell, length, vocabulary, config.embedding_size, ends, name="generator")
    return generator, text_critic.build(length, vocabulary, config.representations, config.width_d)
