"""Residual nets for images of side 32 and 64: the WGAN-GP and SN-GAN family.

At 32 and width_g = 256, width_d = 128 the nets of Miyato et al., "Spectral Normalization for Generative Adversarial
Networks", ICLR 2018, table 4; at 64 and width 64 in both those of its larger images with one stage less. With no
spectral norm, Gulrajani et al.'s ("Improved Training of Wasserstein GANs", NeurIPS 2017) in all but layer norm.
"""

import keras
from keras import layers

from tfdgan.models import blocks

# Channels, in widths: of the generator after each stage, of the critic's blocks and whether they halve the side.
_GENERATOR = {32: (1, 1, 1, 1), 64: (16, 8, 4, 2, 1)}
_CRITIC = {
    32: ((1, True), (1, True), (1, False), (1, False)),
    64: ((1, True), (2, True), (4, True), (8, True), (16, False)),
}


def build(config, sample_shape, classes=None):
    """Generator [n, latent_size] (and labels [n]) -> [n, side, side, channels]; critic back (and labels) to [n, 1]."""
    side = blocks.square_side("resnet", sample_shape, _GENERATOR)
    generator = blocks.Parts(config.spectral_normalization == "both", "he_uniform")
    critic = blocks.Parts(config.spectral_normalization != "none", "he_uniform")
    return (
        blocks.generator(config.latent_size, _GENERATOR[side], sample_shape[-1], config.width_g, generator, classes),
        _critic(sample_shape, _CRITIC[side], config.width_d, critic, classes),
    )


def _critic(sample_shape, stages, width, parts, classes):
    images, (labels, kinds) = keras.Input(sample_shape), blocks.labels_input(classes)
    (first, _), *others = stages
    x = blocks.first_down_block(images, first * width, parts)
    for multiple, halves in others:
        x = blocks.down_block(x, multiple * width, parts, halves)
    return blocks.model(images, labels, blocks.scores(layers.ReLU()(x), parts, kinds), "critic")
