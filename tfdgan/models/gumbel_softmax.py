"""Samples of words that gradients pass through.

Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017, equation 2; Maddison, Mnih, Teh, "The
Concrete Distribution", ICLR 2017.
"""

import keras
import tensorflow as tf

from tfdgan import corpora


def inverse_temperature(schedule, last, progress):
    """beta at `progress` in [0, 1] of the adversarial steps, from 1 to `last`: 1 + (last - 1) p, or last^p, or `last`.

    The exponential one is RelGAN's (Nie et al., ICLR 2019, section 3.2).
    """
    progress = tf.cast(progress, tf.float32)
    if schedule == "constant":
        return tf.constant(last, tf.float32)
    if schedule == "linear":
        return 1.0 + (last - 1.0) * progress
    return tf.pow(tf.constant(last, tf.float32), progress)


class GumbelSoftmax(keras.layers.Layer):
    """(logits o, Gumbel noise g) [n, vocabulary] -> (softmax(beta (o + g)), argmax(o + g) int32 [n]).

    The argmax is a sample of softmax(o), its soft form what a critic sees; the soft form comes to it as beta grows.
    beta is a variable that is not trained, so that it stands in checkpoints.
    """

    def __init__(self, vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary

    def build(self, *_):
        self.beta = self.add_weight(name="inverse_temperature", shape=(), initializer="ones", trainable=False)
        self.built = True

    def call(self, logits, noise):
        noisy = logits + noise
        return tf.nn.softmax(tf.cast(self.beta, noisy.dtype) * noisy), tf.argmax(noisy, axis=1, output_type=tf.int32)


def write(advance, choose, noise, state, length, ends, soft=True):
    """Sentences, word by word: soft ones [n, length, vocabulary], or their words int32 [n, length] alone.

    After the first END, if sentences have one, all is END.

    Args:
      advance: function (words int32 [n], state, a list of tensors) -> (logits [n, vocabulary] of the words after them,
        state); the first words are number `vocabulary`, that of the start.
      choose: a `GumbelSoftmax`.
      noise: [n, length, vocabulary], or [n, length, 1]: the likeliest words.
      state: at the start.
      length: of all sentences.
      ends: whether sentences end; else word END is one like the others.
      soft: what is written.
    """
    number, vocabulary = tf.shape(noise)[0], choose.vocabulary
    noise = tf.transpose(noise, [1, 0, 2])
    kind, shape = (tf.float32, [None, vocabulary]) if soft else (tf.int32, [None])
    written = tf.TensorArray(kind, length, element_shape=shape)
    end = tf.one_hot(corpora.END, vocabulary)

    def place_one(place, word, ended, state, written):
        logits, state = advance(word, state)
        chances, word = choose(logits, noise[place])
        if ends:
            chances = tf.where(ended[:, tf.newaxis], end, chances)
            word = tf.where(ended, corpora.END, word)
            ended |= word == corpora.END
        return place + 1, word, ended, state, written.write(place, chances if soft else word)

    begin = (0, tf.fill([number], vocabulary), tf.fill([number], False), state, written)
    *_, written = tf.while_loop(
        lambda place, *_: place < length, place_one, begin, maximum_iterations=length, parallel_iterations=1
    )
    made = tf.transpose(written.stack(), [1, 0, 2] if soft else [1, 0])
    return tf.ensure_shape(made, [None, length, *shape[1:]])


def mask(words, ends=True):
    """float32 [n, length]: 1 for the words of sentences, their first END included, 0 after it."""
    ended = tf.cast((words == corpora.END) & ends, tf.int32)
    return tf.cast(tf.cumsum(ended, axis=1, exclusive=True) == 0, tf.float32)
