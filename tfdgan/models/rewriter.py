"""Rewriting a sentence in another style: an encoder, a style's code, a decoder with attention.

Hu, Yang, Liang, Salakhutdinov, Xing, "Toward Controlled Generation of Text", ICML 2017; Tikhonov, Shibaev, Nagaev,
Nugmanova, Yamshchikov, "Style Transfer for Texts: Retrain, Report Errors, Compare with Rewrites", EMNLP 2019; the
attention is that of Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate",
ICLR 2015.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tfdgan.models import beam_search, gumbel_softmax

Memory = tuple[tf.Tensor, tf.Tensor, tf.Tensor]  # encoder's outputs [n, length, width], their keys, their mask


@keras.saving.register_keras_serializable(package="tfdgan")
class Rewriter(keras.Model):
    """[words, styles, noise] -> the sentences rewritten in these styles, soft: float32 [n, length, vocabulary].

    Inputs: words int32 [n, length], styles int32 [n], Gumbel noise [n, length, vocabulary].

    The encoder is a GRU; the last numbers of its final state are the content z. The decoder is a GRU that begins with
    the style's code and z, and attends to the encoder's outputs. It writes as a `SentenceGenerator` does; noise 0, also
    as [n, length, 1], gives the likeliest words. Words after the first END of a sentence have no effect.

    Args:
      length, vocabulary: of sentences.
      styles: how many.
      embedding_size: of words, in encoder and decoder.
      width: of both GRUs and of the attention.
      style_size: of a style's code; z has width - style_size numbers.
      dropout: share of the embeddings' and decoder outputs' numbers that is left out when sentences are repeated in
        training.
    """

    def __init__(
        self,
        length: int,
        vocabulary: int,
        styles: int,
        embedding_size: int,
        width: int,
        style_size: int,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # words are chosen and sentences end in full precision
        self.length, self.vocabulary, self.styles, self.content_size = length, vocabulary, styles, width - style_size
        self._embedding = layers.Embedding(vocabulary + 1, embedding_size, name="embedding")  # the last: the start
        self._encoder = layers.RNN(
            layers.GRUCell(width, name="reader"), return_sequences=True, return_state=True, name="encoder"
        )
        self._code = layers.Embedding(styles, style_size, name="style_code")
        self._decoder = layers.GRUCell(width, name="decoder")
        self._keys = layers.Dense(width, use_bias=False, name="keys")
        self._query = layers.Dense(width, name="query")
        self._attention = layers.AdditiveAttention(name="attention")
        self._logits = layers.Dense(vocabulary, dtype="float32", name="logits")
        self._choose = gumbel_softmax.GumbelSoftmax(vocabulary, name="choice", dtype="float32")
        self._dropout = [
            layers.Dropout(dropout, name=f"dropout_of_{name}") for name in ("reading", "writing", "output")
        ]
        self._embedding.build((None,))
        self._encoder.build((None, length, embedding_size))
        self._code.build((None,))
        self._decoder.build((None, embedding_size + width))
        for layer in (self._keys, self._query):
            layer.build((None, width))
        self._attention.build([(None, 1, width), (None, length, width), (None, length, width)])
        self._logits.build((None, 2 * width))
        self._choose.build()
        self.built = True

    def get_config(self) -> dict[str, Any]:
        width = self._keys.units
        sizes = dict(embedding_size=self._embedding.output_dim, width=width, style_size=width - self.content_size)
        sizes |= dict(length=self.length, vocabulary=self.vocabulary, styles=self.styles)
        return {**sizes, "dropout": self._dropout[0].rate, "name": self.name}

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        del training
        words, styles, noise = inputs
        return self._write(words, styles, noise, soft=True)

    def rewrite(self, words: tf.Tensor, styles: tf.Tensor, beam: int = 1) -> tuple[tf.Tensor, tf.Tensor]:
        """(likely words in these styles; for each, the place in `words` attended to most): int32 [n, length].

        Args:
          beam: how many beginnings `beam_search.search` keeps; 1 writes the likeliest word at each place.
        """
        written = self._search(words, styles, beam)
        _, attention = self._follow(words, styles, written, training=False)
        return written, tf.argmax(attention, axis=2, output_type=tf.int32)

    def content(self, sentences: tf.Tensor) -> tf.Tensor:
        """z [n, content_size] of int32 words [n, length], or of soft sentences."""
        return self._read(sentences, training=False)[0]

    def reconstruction(self, words: tf.Tensor, styles: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits [n, length, vocabulary] of each word after the true words before it."""
        features, _ = self._follow(words, styles, words, training)
        return self._logits(features)

    def log_probabilities(self, words: tf.Tensor, styles: tf.Tensor, training: bool = False) -> tf.Tensor:
        """log p(word | words before it, z of the sentence, style): float32 [n, length]; 0 after the first END."""
        logits = self.reconstruction(words, styles, training)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits) * self.mask(words)

    def mask(self, words: tf.Tensor) -> tf.Tensor:
        """float32 [n, length], of int32 words: 1 up to the first END, which is included, 0 after it."""
        return gumbel_softmax.mask(words)

    def set_inverse_temperature(self, beta: tf.Tensor | float) -> None:
        """Set beta, the inverse temperature of the soft sentences."""
        self._choose.beta.assign(beta)

    def _read(self, sentences: tf.Tensor, training: bool) -> tuple[tf.Tensor, Memory]:
        """(z, what the decoder attends to)."""
        if sentences.dtype.is_floating:
            embedded = sentences @ tf.cast(self._embedding.embeddings[:-1], sentences.dtype)
            embedded = tf.cast(embedded, self._embedding.compute_dtype)
            sentences = tf.argmax(sentences, axis=2, output_type=tf.int32)
        else:
            embedded = self._embedding(sentences)
        mask = self.mask(sentences) > 0
        outputs, state = self._encoder(self._dropout[0](embedded, training=training), mask=mask)
        return state[:, -self.content_size :], (outputs, self._keys(outputs), mask)

    def _advance(self, embedded: tf.Tensor, state: tf.Tensor, memory: Memory) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One step of the decoder: (output and context [n, 2 width], its state, attention [n, length])."""
        outputs, keys, mask = memory
        query = self._query(state)[:, tf.newaxis]
        context, attention = self._attention([query, outputs, keys], mask=[None, mask], return_attention_scores=True)
        output, state = self._decoder(tf.concat([embedded, context[:, 0]], axis=1), [state])
        return tf.concat([output, context[:, 0]], axis=1), tf.nest.flatten(state)[0], attention[:, 0]

    def _begin(self, words: tf.Tensor, styles: tf.Tensor, training: bool) -> tuple[tf.Tensor, Memory]:
        """(the decoder's state at the start, what it attends to)."""
        z, memory = self._read(words, training)
        return tf.concat([self._code(styles), z], axis=1), memory

    def _write(self, words: tf.Tensor, styles: tf.Tensor, noise: tf.Tensor, soft: bool) -> tf.Tensor:
        state, memory = self._begin(words, styles, training=False)
        advance = self._along(memory)
        return gumbel_softmax.write(advance, self._choose, noise, [state], self.length, ends=True, soft=soft)

    def _search(self, words: tf.Tensor, styles: tf.Tensor, beam: int) -> tf.Tensor:
        if beam == 1:
            return self._write(words, styles, tf.zeros([tf.shape(words)[0], self.length, 1]), soft=False)
        state, memory = self._begin(words, styles, training=False)
        outputs, keys, mask = (tf.repeat(tensor, beam, axis=0) for tensor in memory)
        advance = self._along((outputs, keys, mask))
        return beam_search.search(advance, [state], self.vocabulary, self.length, beam)

    def _along(self, memory: Memory) -> gumbel_softmax.Advance:
        """(words int32 [n], the decoder's state) -> (logits of the next words, its next state)."""

        def advance(word: tf.Tensor, state: gumbel_softmax.State) -> tuple[tf.Tensor, gumbel_softmax.State]:
            features, state, _ = self._advance(self._embedding(word), state[0], memory)
            return self._logits(features), [state]

        return advance

    def _follow(
        self, words: tf.Tensor, styles: tf.Tensor, written: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The decoder along written sentences: (features [n, length, 2 width], attention [n, length, source])."""
        state, memory = self._begin(words, styles, training)
        start = tf.fill([tf.shape(written)[0], 1], self.vocabulary)
        before = self._embedding(tf.concat([start, written[:, :-1]], axis=1))
        before = tf.transpose(self._dropout[1](before, training=training), [1, 0, 2])
        before = tf.TensorArray(before.dtype, self.length).unstack(before)  # a slice's gradient would be a whole tensor
        kept = [
            tf.TensorArray(state.dtype, self.length, element_shape=[None, size])
            for size in (2 * state.shape[-1], self.length)
        ]

        def step(place: tf.Tensor, state: tf.Tensor, *kept: tf.TensorArray) -> tuple[Any, ...]:
            features, state, attention = self._advance(before.read(place), state, memory)
            return place + 1, state, *(k.write(place, x) for k, x in zip(kept, (features, attention), strict=True))

        _, _, *kept = tf.while_loop(
            lambda place, *_: place < self.length,
            step,
            (0, state, *kept),
            maximum_iterations=self.length,
            parallel_iterations=1,
        )
        features, attention = (tf.transpose(k.stack(), [1, 0, 2]) for k in kept)
        return self._dropout[2](features, training=training), attention
