"""Self-attention GAN for images of side 64 and 128 (Zhang, Goodfellow, Metaxas, Odena, ICML 2019).

Spectral normalisation in both nets, attention where the side is 32. Conditional: batch norm by class in the generator,
a projection discriminator. At 128 and widths 64 the nets of the released code; at 64 the same with one stage less.
"""

import keras
from keras import layers

from tfdgan.models import blocks

# Channels, in widths: of the generator from 4 x 4 on; of the critic's blocks, all but the last of which halve the side.
_GENERATOR = {64: (8, 8, 4, 2, 1), 128: (16, 16, 8, 4, 2, 1)}
_CRITIC = {64: (1, 2, 4, 8, 8), 128: (1, 2, 4, 8, 16, 16)}
_ATTENTION = 32  # the side at which positions look at each other


def build(config, sample_shape, classes=None):
    """Generator [n, latent_size] (and labels [n]) -> [n, side, side, channels]; critic back (and labels) to [n, 1]."""
    side = blocks.square_side("sagan", sample_shape, _GENERATOR)
    parts = blocks.Parts(True, "glorot_uniform")
    return (
        blocks.generator(
            config.latent_size, _GENERATOR[side], sample_shape[-1], config.width_g, parts, classes, _ATTENTION
        ),
        _critic(sample_shape, _CRITIC[side], config.width_d, parts, classes),
    )


def _critic(sample_shape, multiples, width, parts, classes):
    images, (labels, kinds) = keras.Input(sample_shape), blocks.labels_input(classes)
    x = blocks.first_down_block(images, multiples[0] * width, parts)
    for stage, multiple in enumerate(multiples[1:], start=2):
        if x.shape[1] == _ATTENTION:
            x = blocks.self_attention(x, parts)
        x = blocks.down_block(x, multiple * width, parts, halves=stage < len(multiples))
    return blocks.model(images, labels, blocks.scores(layers.ReLU()(x), parts, kinds), "critic")
