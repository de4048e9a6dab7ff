"""Samples of words that gradients pass through.

Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017, equation 2; Maddison, Mnih, Teh, "The
Concrete Distribution", ICLR 2017.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfdgan.data.words import END

State = list[tf.Tensor]
Advance = Callable[[tf.Tensor, State], tuple[tf.Tensor, State]]


def inverse_temperature(schedule: str, last: float, progress: tf.Tensor | float) -> tf.Tensor:
    """The inverse temperature beta at a progress p in [0, 1] of the adversarial steps: float32 scalar.

    "linear": 1 + (last - 1) p. "exponential": last^p, as RelGAN has it (Nie et al., ICLR 2019, section 3.2).
    "constant": last.
    """
    progress = tf.cast(progress, tf.float32)
    if schedule == "constant":
        return tf.constant(last, tf.float32)
    if schedule == "linear":
        return 1.0 + (last - 1.0) * progress
    return tf.pow(tf.constant(last, tf.float32), progress)


class GumbelSoftmax(keras.layers.Layer):
    """(logits o, Gumbel noise g) [n, vocabulary] -> (softmax(beta (o + g)), argmax(o + g) int32 [n]).

    The argmax is a sample of softmax(o). A critic sees the soft form, which approaches the argmax as beta grows. beta
    is a variable that is not trained, so that checkpoints hold it.
    """

    def __init__(self, vocabulary: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary = vocabulary

    def build(self, *_: Any) -> None:
        self.beta = self.add_weight(name="inverse_temperature", shape=(), initializer="ones", trainable=False)
        self.built = True

    def call(self, logits: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noisy = logits + noise
        return tf.nn.softmax(tf.cast(self.beta, noisy.dtype) * noisy), tf.argmax(noisy, axis=1, output_type=tf.int32)


def write(
    advance: Advance,
    choose: GumbelSoftmax,
    noise: tf.Tensor,
    state: State,
    length: int,
    ends: bool,
    soft: bool = True,
) -> tf.Tensor:
    """Write sentences word by word: soft ones float32 [n, length, vocabulary], or words int32 [n, length].

    If sentences end, every word after the first END is END.

    Args:
      advance: function (words int32 [n], state) -> (logits [n, vocabulary] of the next words, next state). A state is
        a list of tensors. At the first call all words are number `vocabulary`, which stands for the start.
      choose: how logits and noise become words.
      noise: [n, length, vocabulary]; zeros, also as [n, length, 1], give the likeliest words.
      state: at the start.
      length: of all sentences.
      ends: whether sentences end; else word END is a word like the others.
      soft: whether soft sentences are returned, or their words alone.
    """
    number, vocabulary = tf.shape(noise)[0], choose.vocabulary
    noise = tf.transpose(noise, [1, 0, 2])
    kind, shape = (tf.float32, [None, vocabulary]) if soft else (tf.int32, [None])
    written = tf.TensorArray(kind, length, element_shape=shape)
    end = tf.one_hot(END, vocabulary)

    def place_one(
        place: tf.Tensor, word: tf.Tensor, ended: tf.Tensor, state: State, written: tf.TensorArray
    ) -> tuple[Any, ...]:
        logits, state = advance(word, state)
        chances, word = choose(logits, noise[place])
        if ends:
            chances = tf.where(ended[:, tf.newaxis], end, chances)
            word = tf.where(ended, END, word)
            ended |= word == END
        return place + 1, word, ended, state, written.write(place, chances if soft else word)

    begin = (0, tf.fill([number], vocabulary), tf.fill([number], False), state, written)
    *_, written = tf.while_loop(
        lambda place, *_: place < length, place_one, begin, maximum_iterations=length, parallel_iterations=1
    )
    made = tf.transpose(written.stack(), [1, 0, 2] if soft else [1, 0])
    return tf.ensure_shape(made, [None, length, *shape[1:]])


def mask(words: tf.Tensor, ends: bool = True) -> tf.Tensor:
    """float32 [n, length]: 1 up to the first END of a sentence, which is included, 0 after it; all 1 without `ends`."""
    ended = tf.cast((words == END) & ends, tf.int32)
    return tf.cast(tf.cumsum(ended, axis=1, exclusive=True) == 0, tf.float32)
