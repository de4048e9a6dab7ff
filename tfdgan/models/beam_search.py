"""Likely sentences: a search that keeps several beginnings of each.

Graves, "Sequence Transduction with Recurrent Neural Networks", ICML 2012 workshop; sentences that have ended are
compared by their mean, as in Wu et al., "Google's Neural Machine Translation System", 2016, section 7, with alpha 1.
"""

from typing import Any

import tensorflow as tf

from tfdgan.data.words import END
from tfdgan.models.gumbel_softmax import Advance, State


def search(advance: Advance, state: State, vocabulary: int, length: int, beam: int) -> tf.Tensor:
    """Sentences of a large mean of log p(word | words before it): int32 [n, length], END after their end.

    At each place the `beam` beginnings of the largest sum of log p are kept. One that has ended stays as it is. At last
    the sentence of the largest mean over its words is taken; its END, if it has one, counts as a word. Of equals the
    one of lower numbers comes first, and beam 1 gives the likeliest word at each place.

    Args:
      advance: as `gumbel_softmax.write` takes it; it is called for n x beam words.
      state: at the start, a tensor [n, size] each.
      vocabulary: how many words; the start's number.
      length: of all sentences.
      beam: how many beginnings.
    """
    number = tf.shape(state[0])[0]
    state = [tf.repeat(tensor, beam, axis=0) for tensor in state]
    # At first all beginnings of a sentence are one: the first of them alone may go on.
    total = tf.tile(tf.one_hot([0], beam, on_value=0.0, off_value=-float("inf")), [number, 1])
    written = tf.fill([number, beam, length], END)
    words = tf.fill([number, beam], vocabulary)
    counts, ended = tf.zeros([number, beam]), tf.fill([number, beam], False)
    only_end = tf.where(tf.range(vocabulary) == END, 0.0, -float("inf"))

    def place_one(
        place: tf.Tensor,
        words: tf.Tensor,
        total: tf.Tensor,
        counts: tf.Tensor,
        ended: tf.Tensor,
        written: tf.Tensor,
        state: State,
    ) -> tuple[Any, ...]:
        logits, state = advance(tf.reshape(words, [-1]), state)
        chances = tf.reshape(tf.nn.log_softmax(logits), [number, beam, vocabulary])
        chances = total[:, :, tf.newaxis] + tf.where(ended[:, :, tf.newaxis], only_end, chances)
        total, chosen = tf.math.top_k(tf.reshape(chances, [number, beam * vocabulary]), beam)
        before, words = chosen // vocabulary, chosen % vocabulary
        rows = tf.reshape(tf.range(number)[:, tf.newaxis] * beam + before, [-1])
        state = [tf.gather(tensor, rows) for tensor in state]
        written, ended, counts = (tf.gather(x, before, batch_dims=1) for x in (written, ended, counts))
        here = tf.range(length) == place
        written = tf.where(here, words[:, :, tf.newaxis], written)
        counts += tf.cast(~ended, tf.float32)
        return place + 1, words, total, counts, ended | (words == END), written, state

    _, _, total, counts, _, written, _ = tf.while_loop(
        lambda place, *_: place < length,
        place_one,
        (0, words, total, counts, ended, written, state),
        maximum_iterations=length,
        parallel_iterations=1,
    )
    best = tf.argmax(total / counts, axis=1)
    return tf.ensure_shape(tf.gather(written, best, batch_dims=1), [None, length])
