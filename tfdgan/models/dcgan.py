"""DCGAN for images of any power-of-two side from 8.

At 32 x 32 and width 64 it is the pair of the WGAN-GP runs in Daskalakis et al.'s released script: the critic has three
5x5 convolutions of 64, 128, 128 channels and a dense layer of 1,024, the generator has batch norm.
Radford, Metz, Chintala, "Unsupervised Representation Learning with DCGANs", ICLR 2016.
"""

import keras
from keras import layers

from tfdgan.errors import UserError

_CHANNELS = (1, 2, 2, 4, 8, 16, 16)  # of the critic's convolutions, in widths; the generator's run backwards


def _stages(side: int) -> int:
    """How often the critic halves the side."""
    if side < 8 or side & (side - 1) or side > 4 * 2 ** len(_CHANNELS):
        raise UserError(f"model dcgan: images of side {side}; use a power of two from 8 to 512 (--image_size resizes)")
    return max(2, side.bit_length() - 3)  # down to 4 x 4; to 2 x 2 from 8 x 8


def build(
    sample_shape: tuple[int, int, int], *, latent_size: int, width_g: int, width_d: int
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> images [n, side, side, channels] in [-1, 1]; critic of images -> [n, 1].

    Args:
      sample_shape: (side, side, channels).
      width_g: channels of the generator's last hidden layer.
      width_d: channels of the critic's first layer.
    """
    height, width, channels = sample_shape
    if height != width:
        raise UserError(f"model dcgan: images are {height} x {width}; use --image_size to make them square")
    stages = _stages(height)
    return _generator(latent_size, height, channels, stages, width_g), _critic(height, channels, stages, width_d)


def _generator(latent_size: int, side: int, channels: int, stages: int, width: int) -> keras.Model:
    first = side >> stages
    model = keras.Sequential([keras.Input((latent_size,))], name="generator")
    model.add(layers.Dense(first * first * width * _CHANNELS[stages - 1], use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU())
    model.add(layers.Reshape((first, first, width * _CHANNELS[stages - 1])))  # [n, first, first, ...]
    for stage in reversed(range(stages - 1)):  # the side doubles: [n, 2 side, 2 side, ...]
        model.add(layers.Conv2DTranspose(width * _CHANNELS[stage], 5, strides=2, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.Conv2DTranspose(channels, 5, strides=2, padding="same"))
    model.add(layers.Activation("tanh", dtype="float32"))
    return model


def _critic(side: int, channels: int, stages: int, width: int) -> keras.Model:
    model = keras.Sequential([keras.Input((side, side, channels))], name="critic")
    for stage in range(stages):  # the side halves: [n, side / 2, side / 2, ...]
        model.add(layers.Conv2D(width * _CHANNELS[stage], 5, strides=2, padding="same"))
        model.add(layers.LeakyReLU(0.2))
    model.add(layers.Flatten())
    model.add(layers.Dense(16 * width))
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.Dense(1, dtype="float32"))
    return model
