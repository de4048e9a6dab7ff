"""An LSTM that writes sentences (Hochreiter, Schmidhuber, "Long Short-Term Memory", Neural Computation 1997)."""

import keras
from keras import layers

from tfdgan.models import sentences


def build(
    sample_shape: tuple[int, int],
    *,
    width_g: int,
    width_d: int,
    embedding_size: int,
    representations: int,
    ends: bool,
) -> tuple[sentences.SentenceGenerator, keras.Model]:
    """(generator, critic) of sentences.

    Args:
      sample_shape: (length, vocabulary).
      width_g: units of the LSTM.
      width_d, embedding_size, representations, ends: as `sentences.build` takes them, `width_d` as `filters`.
    """
    cell = layers.LSTMCell(width_g, name="memory")
    return sentences.build(
        cell, sample_shape, embedding_size=embedding_size, representations=representations, filters=width_d, ends=ends
    )
