"""DCGAN for images whose sides are multiples of a power of two.

The smallest maps have the images' proportions: 4 x 4 for square images of a power of two, 6 x 4 for 96 x 64.

At 32 x 32 and width 64 it is the pair of the WGAN-GP runs in Daskalakis et al.'s released script: the critic has three
5x5 convolutions of 64, 128, 128 channels and a dense layer of 1,024, the generator has batch norm.
Radford, Metz, Chintala, "Unsupervised Representation Learning with DCGANs", ICLR 2016.
"""

from collections.abc import Sequence

import keras
from keras import layers

from tfdgan.errors import UserError
from tfdgan.models.augmentation import Augmentation

_LARGEST = 16  # side of the smallest maps, which a dense layer reads
_CHANNELS = (1, 2, 2, 4, 8, 16, 16)  # of the critic's convolutions, in widths; the generator's run backwards


def _stages(height: int, width: int) -> int:
    """How often the critic halves the sides: until the shorter is below 8; twice from 8."""
    stages, (short, long) = 2, sorted((height, width))
    while stages < len(_CHANNELS) and short >> (stages + 1) >= 4:
        stages += 1
    while stages > 2 and (height | width) % (1 << stages):
        stages -= 1
    if short < 8 or (height | width) % (1 << stages) or long >> stages > _LARGEST:
        raise UserError(
            f"model dcgan: images are {height} x {width}; use sides from 8 that are multiples of a power of two, which "
            f"halving brings to at most {_LARGEST}, as --image_size=64 or --image_size=96x64"
        )
    return stages


def build(
    sample_shape: tuple[int, int, int], *, latent_size: int, width_g: int, width_d: int, augment: Sequence[str] = ()
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> images [n, height, width, channels] in [-1, 1]; critic of images -> [n, 1].

    Args:
      sample_shape: (height, width, channels).
      width_g: channels of the generator's last hidden layer.
      width_d: channels of the critic's first layer.
      augment: what the critic does to images first, as `augmentation.Augmentation` takes it; nothing by default.
    """
    stages = _stages(*sample_shape[:2])
    return _generator(latent_size, sample_shape, stages, width_g), _critic(sample_shape, stages, width_d, augment)


def _generator(latent_size: int, sample_shape: tuple[int, int, int], stages: int, width: int) -> keras.Model:
    high, broad, channels = sample_shape[0] >> stages, sample_shape[1] >> stages, sample_shape[2]
    model = keras.Sequential([keras.Input((latent_size,))], name="generator")
    model.add(layers.Dense(high * broad * width * _CHANNELS[stages - 1], use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU())
    model.add(layers.Reshape((high, broad, width * _CHANNELS[stages - 1])))
    for stage in reversed(range(stages - 1)):  # the sides double
        model.add(layers.Conv2DTranspose(width * _CHANNELS[stage], 5, strides=2, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.Conv2DTranspose(channels, 5, strides=2, padding="same"))
    model.add(layers.Activation("tanh", dtype="float32"))
    return model


def _critic(sample_shape: tuple[int, int, int], stages: int, width: int, augment: Sequence[str]) -> keras.Model:
    model = keras.Sequential([keras.Input(sample_shape)], name="critic")
    if augment:
        model.add(Augmentation(augment))
    for stage in range(stages):  # the sides halve
        model.add(layers.Conv2D(width * _CHANNELS[stage], 5, strides=2, padding="same"))
        model.add(layers.LeakyReLU(0.2))
    model.add(layers.Flatten())
    model.add(layers.Dense(16 * width))
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.Dense(1, dtype="float32"))
    return model
