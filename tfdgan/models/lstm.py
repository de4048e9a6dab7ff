"""An LSTM that writes sentences (Hochreiter, Schmidhuber, "Long Short-Term Memory", Neural Computation 1997)."""

from keras import layers

from tfdgan.models import sentences


def build(config, sample_shape):
    """(generator, critic) of sentences; `sample_shape` = (length, vocabulary)."""
    return sentences.build(config, sample_shape, layers.LSTMCell(config.width_g, name="memory"))
