"""The critic of a rewriter: how real a sentence is, which style it has, which style can be told from its content.

The convolutions are those of Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tfdgan.models import gumbel_softmax

_WIDTHS = (3, 4, 5)
_CONTENT_UNITS = (256, 64)


class StyleCritic(keras.Model):
    """int32 words [n, length] or soft sentences [n, length, vocabulary] -> scores [n, 1].

    Words after the first END of a sentence have no effect.

    Args:
      length, vocabulary: of sentences.
      styles: how many; 0 leaves out the layers behind `judge` and `content_styles`.
      content_size: of the codes that `content_styles` takes.
      embedding_size: of words; the critic has an embedding of its own.
      filters: of each convolution.
      dropout: before the scores.
    """

    def __init__(
        self,
        length: int,
        vocabulary: int,
        styles: int,
        content_size: int,
        embedding_size: int,
        filters: int,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # where a sentence ends is to be seen in full precision
        self.length, self.vocabulary = length, vocabulary
        self._embedding = layers.Embedding(vocabulary, embedding_size, name="embedding")
        self._embedding.build((None,))
        self._convolutions = [
            layers.Conv1D(filters, width, activation="relu", name=f"convolution_{width}") for width in _WIDTHS
        ]
        for convolution in self._convolutions:
            convolution.build((None, length + max(_WIDTHS) - 1, embedding_size))  # as `_features` lengthens them
        self._dropout = layers.Dropout(dropout, name="dropout")
        found = filters * len(_WIDTHS)
        self._score = layers.Dense(1, dtype="float32", name="score")
        self._score.build((None, found))
        self._styles: Any = None
        self._content: list[layers.Layer] = []
        if styles:
            self._styles = layers.Dense(styles, dtype="float32", name="styles")
            self._styles.build((None, found))
            self._content = [
                *(layers.Dense(units, activation="relu", name=f"content_{units}") for units in _CONTENT_UNITS),
                layers.Dense(styles, dtype="float32", name="content_styles"),
            ]
            for layer, size in zip(self._content, (content_size, *_CONTENT_UNITS), strict=True):
                layer.build((None, size))
        self.built = True

    def call(self, sentences: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self._score(self._features(*self.embed(sentences), training))

    def embed(self, sentences: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(embedded sentences [n, length, embedding_size], 0 after the first END; their mask, float32 [n, length])."""
        if sentences.dtype.is_floating:
            table = tf.cast(self._embedding.embeddings, sentences.dtype)
            mask = gumbel_softmax.mask(tf.argmax(sentences, axis=2, output_type=tf.int32))
            embedded = tf.cast(sentences @ table, self._embedding.compute_dtype)
        else:
            mask, embedded = gumbel_softmax.mask(sentences), self._embedding(sentences)
        return embedded * tf.cast(mask, embedded.dtype)[..., tf.newaxis], mask

    def judge(self, embedded: tf.Tensor, mask: tf.Tensor, training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """(scores [n, 1], logits of styles [n, styles]) of embedded sentences."""
        found = self._features(embedded, mask, training)
        return self._score(found), self._styles(found)

    def content_styles(self, z: tf.Tensor) -> tf.Tensor:
        """Logits [n, styles], from content codes z [n, content_size]: the style of the sentences that have them."""
        for layer in self._content:
            z = layer(z)
        return z

    def _features(self, embedded: tf.Tensor, mask: tf.Tensor, training: bool | None) -> tf.Tensor:
        """[n, filters * convolutions]: the largest value of each filter over windows that begin in the sentence."""
        after = tf.pad(embedded, [[0, 0], [0, max(_WIDTHS) - 1], [0, 0]])
        length, found = embedded.shape[1], []
        for convolution, width in zip(self._convolutions, _WIDTHS, strict=True):
            x = convolution(after[:, : length + width - 1])
            found.append(tf.reduce_max(x * tf.cast(mask, x.dtype)[..., tf.newaxis], axis=1))  # x is at least 0
        return self._dropout(tf.concat(found, axis=1), training=training)
