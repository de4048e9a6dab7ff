"""Residual nets for images of side 32 and 64, and others of the same grids: the WGAN-GP and SN-GAN family.

Sides are multiples of 8 from 32 on, or of 16 from 64 on, which take the larger nets; the smallest maps of the generator
are an eighth or a sixteenth of them.

At side 32, width_g = 256 and width_d = 128 they are the nets of Miyato et al., "Spectral Normalization for Generative
Adversarial Networks", ICLR 2018, table 4. At side 64 and both widths 64 they are the paper's nets for larger images,
with one stage less. Without spectral norm they are Gulrajani et al.'s ("Improved Training of Wasserstein GANs", NeurIPS
2017), except that the critic has no layer norm.
"""

from collections.abc import Sequence

import keras
from keras import layers

from tfdgan.models import blocks

# Channels, in widths: of the generator after each stage, of the critic's blocks and whether they halve the side.
_GENERATOR = {32: (1, 1, 1, 1), 64: (16, 8, 4, 2, 1)}
_CRITIC = {
    32: ((1, True), (1, True), (1, False), (1, False)),
    64: ((1, True), (2, True), (4, True), (8, True), (16, False)),
}


def build(
    sample_shape: tuple[int, int, int],
    *,
    latent_size: int,
    width_g: int,
    width_d: int,
    classes: int | None = None,
    spectral_normalization: str = "none",
    augment: Sequence[str] = (),
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> images [n, height, width, channels]; critic of images -> [n, 1].

    Args:
      sample_shape: (height, width, channels).
      width_g, width_d: the width that the channels of generator and critic are multiples of.
      classes: how many there are, if both nets take labels int32 [n] as a second input.
      spectral_normalization: which nets are spectrally normalised: "none", "critic" or "both".
      augment: what the critic does to images first, as `augmentation.Augmentation` takes it; nothing by default.
    """
    side = blocks.usual_side("resnet", sample_shape, _GENERATOR)
    generator = blocks.LayerFactory(spectral_normalization == "both", "he_uniform")
    critic = blocks.LayerFactory(spectral_normalization != "none", "he_uniform")
    return (
        blocks.generator(latent_size, _GENERATOR[side], sample_shape, width_g, generator, classes),
        _critic(sample_shape, _CRITIC[side], width_d, critic, classes, augment),
    )


def _critic(
    sample_shape: tuple[int, int, int],
    stages: tuple[tuple[int, bool], ...],
    width: int,
    make: blocks.LayerFactory,
    classes: int | None,
    augment: Sequence[str],
) -> keras.Model:
    (images, seen), (labels, kinds) = blocks.images_input(sample_shape, augment), blocks.labels_input(classes)
    (first, _), *others = stages
    x = blocks.first_down_block(seen, first * width, make)
    for multiple, halves in others:
        x = blocks.down_block(x, multiple * width, make, halves)
    return blocks.model(images, labels, blocks.scores(layers.ReLU()(x), make, kinds), "critic")
