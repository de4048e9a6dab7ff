"""The plain residual pair of R3GAN: no normalisation, groups in the middle convolution, the same block everywhere.

Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024, its
configuration E. The paper trains the pair with `--objective=relativistic --penalty=r1_r2`.

A stage has two residual blocks of equal width: 1x1 to twice the channels, 3x3 in groups of 16 channels, 1x1 back, with
leaky ReLUs (.2) between. The last kernel of a block begins at 0, so that a block begins as the identity, and the others
are smaller by the fourth root of the number of blocks (Zhang, Dauphin, Ma, "Fixup Initialization", ICLR 2019). Between
stages sides change by 2, by the filter [1, 3, 3, 1] of bilinear resampling, and a 1x1 convolution changes the width,
where it changes. The first maps of the generator are learned images, scaled by a linear map of the latent; the critic
ends with a filter of the size of its last maps. Neither output is squashed; in inference pixels are cut to [-1, 1].

Sides are multiples of 8 from 32 on, of 16 from 64 or 32 from 128 on. At side 32 and widths 768 it is the paper's pair
for CIFAR-10 but for labels, and for the borders of maps that are enlarged (here repeated, there 0).
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tfdgan.errors import UserError
from tfdgan.models import blocks

# Channels of the stages, in widths, from the smallest maps on.
_STAGES = {32: (1, 1, 1, 1), 64: (2, 2, 2, 2, 1), 128: (4, 4, 4, 4, 2, 1)}
_BLOCKS = 2  # of a stage
_EXPANSION = 2
_GROUP = 16  # channels
_SLOPE = 0.2


def build(
    sample_shape: tuple[int, int, int], *, latent_size: int, width_g: int, width_d: int, augment: Sequence[str] = ()
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> images [n, height, width, channels]; critic of images -> [n, 1].

    Args:
      sample_shape: (height, width, channels).
      width_g, width_d: channels of the stage of the largest maps, multiples of 8; the paper's are 768 at side 32.
      augment: what the critic does to images first, as `augmentation.Augmentation` takes it; nothing by default.

    Raises:
      UserError: images of other sides, or other widths.
    """
    side = blocks.usual_side("r3gan", sample_shape, _STAGES)
    for name, width in (("width_g", width_g), ("width_d", width_d)):
        if width * _EXPANSION % _GROUP:
            raise UserError(f"--{name}={width}: --model=r3gan has groups of {_GROUP} channels; use a multiple of 8")
    return (
        _generator(latent_size, sample_shape, [multiple * width_g for multiple in _STAGES[side]]),
        _critic(sample_shape, [multiple * width_d for multiple in reversed(_STAGES[side])], augment),
    )


def _generator(latent_size: int, sample_shape: tuple[int, int, int], widths: Sequence[int]) -> keras.Model:
    doublings = len(widths) - 1
    shape = (sample_shape[0] >> doublings, sample_shape[1] >> doublings, widths[0])
    latents = keras.Input((latent_size,))
    scales = layers.Dense(widths[0], use_bias=False, kernel_initializer=_begins(1.0))(latents)
    x = Basis(shape)(scales)
    for place, width in enumerate(widths):
        if place:
            x = layers.UpSampling2D(2, interpolation="bilinear")(_widened(x, width))
        x = _stage(x, len(widths))
    pixels = _pointwise(sample_shape[2], 1.0)(x)
    return keras.Model(latents, Pixels()(pixels), name="generator")


def _critic(sample_shape: tuple[int, int, int], widths: Sequence[int], augment: Sequence[str]) -> keras.Model:
    images, seen = blocks.images_input(sample_shape, augment)
    x = _pointwise(widths[0], 1.0)(seen)
    for place, width in enumerate(widths):
        if place:
            x = _widened(Halved()(x), width)
        x = _stage(x, len(widths))
    x = layers.DepthwiseConv2D(x.shape[1:3], use_bias=False, depthwise_initializer=_begins(widths[-1]))(
        x
    )  # of variance 1 / (h w)
    score = layers.Dense(1, use_bias=False, kernel_initializer=_begins(1.0), dtype="float32")
    return keras.Model(images, score(layers.Flatten()(x)), name="critic")


def _stage(x: blocks.Tensor, stages: int) -> blocks.Tensor:
    """The residual blocks of a stage, of a net of so many stages."""
    gain = 2 / (1 + _SLOPE**2) / (_BLOCKS * stages) ** 0.5  # of the variance
    width = x.shape[-1]
    inner = _EXPANSION * width
    for _ in range(_BLOCKS):
        y = layers.LeakyReLU(_SLOPE)(_pointwise(inner, gain, use_bias=True)(x))
        grouped = GroupedConv2D(inner, 3, padding="same", groups=inner // _GROUP, kernel_initializer=_begins(gain))
        y = layers.LeakyReLU(_SLOPE)(grouped(y))
        x = layers.Add()([x, _pointwise(width, 0.0)(y)])
    return x


def _widened(x: blocks.Tensor, width: int) -> blocks.Tensor:
    return x if x.shape[-1] == width else _pointwise(width, 1.0)(x)


def _pointwise(channels: int, gain: float, use_bias: bool = False) -> layers.Layer:
    """A 1x1 convolution; its kernel begins at 0 where `gain` is 0."""
    return layers.Conv2D(channels, 1, use_bias=use_bias, kernel_initializer=_begins(gain))


def _begins(gain: float) -> keras.initializers.Initializer:
    """Normal, of variance gain / inputs."""
    if not gain:
        return keras.initializers.Zeros()
    return keras.initializers.VarianceScaling(gain, "fan_in", "untruncated_normal")


@keras.saving.register_keras_serializable(package="tfdgan")
class GroupedConv2D(layers.Conv2D):
    """Conv2D in groups by TensorFlow's own kernels. Keras has XLA compile it on CPU, many times slower."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)


@keras.saving.register_keras_serializable(package="tfdgan")
class Halved(layers.Layer):
    """[n, 2 h, 2 w, channels] -> [n, h, w, channels]: the filter [1, 3, 3, 1] / 8 each way; 0 beyond the border."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        row = tf.constant([1.0, 3.0, 3.0, 1.0], x.dtype) / 8
        kernel = tf.tile((row[:, None] * row)[:, :, None, None], [1, 1, x.shape[-1], 1])
        return tf.nn.depthwise_conv2d(x, kernel, [1, 2, 2, 1], [[0, 0], [1, 1], [1, 1], [0, 0]])


@keras.saving.register_keras_serializable(package="tfdgan")
class Pixels(layers.Layer):
    """x, float32; in inference cut to [-1, 1], as files hold it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return x if training else keras.ops.clip(x, -1.0, 1.0)


@keras.saving.register_keras_serializable(package="tfdgan")
class Basis(layers.Layer):
    """[n, channels] -> [n, height, width, channels]: learned maps, which begin as standard normal ones, times x.

    Args:
      shape: (height, width, channels) of the maps.
    """

    def __init__(self, shape: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.shape = tuple(shape)

    def build(self, input_shape: Sequence[int | None]) -> None:
        del input_shape
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.maps = self.add_weight(name="maps", shape=self.shape, initializer=normal)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x[:, None, None, :] * self.maps

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": self.shape}
