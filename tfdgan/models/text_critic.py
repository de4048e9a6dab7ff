"""The critic of sentences: several small representations, each read by convolutions.

Nie, Narodytska, Patel, "RelGAN", ICLR 2019, section 3.3; its convolutions are those of Kim, "Convolutional Neural
Networks for Sentence Classification", EMNLP 2014, its highway that of Srivastava, Greff, Schmidhuber, "Highway
Networks", 2015.
"""

import keras
from keras import layers, ops

from tfdgan.models.max_over_time import MaxOverTime

_WIDTHS = (2, 3, 4, 5)
_DROPOUT = 0.25
_HIDDEN = 100
_CARRY = -2.0  # bias of the highway's gate: at first it carries


def build(length: int, vocabulary: int, representations: int, filters: int) -> keras.Model:
    """Soft or one-hot sentences [n, length, vocabulary] -> scores [n, 1]: the mean over representations.

    Each representation is one number a word. A sentence has one score, so reweighting gives each sentence one weight
    (the released code of the ratio-clipping paper weights each representation by itself).

    Args:
      length, vocabulary: of sentences.
      representations: how many; the paper has 64.
      filters: of each convolution; the paper has 300.
    """
    sentences = keras.Input((length, vocabulary))
    x = layers.Dense(representations, use_bias=False, name="representations")(sentences)  # [n, length, r]
    found = [MaxOverTime(filters, width, name=f"convolution_{width}")(x) for width in _WIDTHS if width <= length]
    x = layers.Concatenate()(found)  # [n, r, 4 filters]
    units = x.shape[-1]
    gate = layers.Dense(
        units, activation="sigmoid", bias_initializer=keras.initializers.Constant(_CARRY), name="highway_gate"
    )(x)
    x = gate * layers.Dense(units, activation="relu", name="highway")(x) + (1.0 - gate) * x
    x = layers.Dense(_HIDDEN, name="hidden")(layers.Dropout(_DROPOUT)(x))
    scores = layers.Dense(1, dtype="float32", name="score")(x)  # [n, r, 1]
    return keras.Model(sentences, ops.mean(scores, axis=1), name="critic")
