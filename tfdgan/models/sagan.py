"""Self-attention GAN for images of side 64 and 128 (Zhang, Goodfellow, Metaxas, Odena, ICML 2019).

Other sides are multiples of 16 from 64 on, or of 32 from 128 on, which take the larger nets; the smallest maps of the
generator are a sixteenth or a thirty-second of them. Both nets have spectral normalisation, and attention at maps eight
times as long as the smallest, of side 32 in square images. Conditional nets have batch norm by class in
the generator and a projection discriminator. At side 128 and widths 64 they are the nets of the released code; at side
64 they have one stage less.
"""

from collections.abc import Sequence

import keras
from keras import layers

from tfdgan.models import blocks

# Channels, in widths: of the generator from 4 x 4 on; of the critic's blocks, all but the last of which halve the side.
_GENERATOR = {64: (8, 8, 4, 2, 1), 128: (16, 16, 8, 4, 2, 1)}
_CRITIC = {64: (1, 2, 4, 8, 8), 128: (1, 2, 4, 8, 16, 16)}
_ATTENTION = 3  # how often the smallest maps are doubled to where positions look at each other


def build(
    sample_shape: tuple[int, int, int],
    *,
    latent_size: int,
    width_g: int,
    width_d: int,
    classes: int | None = None,
    augment: Sequence[str] = (),
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> images [n, height, width, channels]; critic of images -> [n, 1].

    Args:
      sample_shape: (height, width, channels).
      width_g, width_d: the width that the channels of generator and critic are multiples of.
      classes: how many there are, if both nets take labels int32 [n] as a second input.
      augment: what the critic does to images first, as `augmentation.Augmentation` takes it; nothing by default.
    """
    side = blocks.usual_side("sagan", sample_shape, _GENERATOR)
    make = blocks.LayerFactory(True, "glorot_uniform")
    return (
        blocks.generator(latent_size, _GENERATOR[side], sample_shape, width_g, make, classes, _ATTENTION - 1),
        _critic(sample_shape, _CRITIC[side], width_d, make, classes, augment),
    )


def _critic(
    sample_shape: tuple[int, int, int],
    multiples: tuple[int, ...],
    width: int,
    make: blocks.LayerFactory,
    classes: int | None,
    augment: Sequence[str],
) -> keras.Model:
    (images, seen), (labels, kinds) = blocks.images_input(sample_shape, augment), blocks.labels_input(classes)
    x = blocks.first_down_block(seen, multiples[0] * width, make)
    for stage, multiple in enumerate(multiples[1:], start=2):
        if stage == len(multiples) - _ATTENTION:
            x = blocks.self_attention(x, make)
        x = blocks.down_block(x, multiple * width, make, halves=stage < len(multiples))
    return blocks.model(images, labels, blocks.scores(layers.ReLU()(x), make, kinds), "critic")
