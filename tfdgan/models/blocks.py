"""Pieces that residual architectures share. Shapes are [n, height, width, channels]."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf
from keras import layers, ops

from tfdgan.errors import UserError
from tfdgan.models.augmentation import Augmentation
from tfdgan.models.spectral_norm import SpectralConv2D, SpectralDense

Tensor: TypeAlias = keras.KerasTensor


def usual_side(model: str, sample_shape: tuple[int, int, int], sides: Collection[int]) -> int:
    """The side of square images whose net fits: its smallest maps, 4 x 4 of square ones, are those of these images.

    It is the largest of `sides` that is no longer than the images' sides, and a quarter of which divides both.

    Raises:
      UserError: there is none.
    """
    height, width, _ = sample_shape
    fit = [side for side in sides if side <= min(height, width) and not (height | width) % (side // 4)]
    if not fit:
        quarters = " or ".join(f"{side // 4} (at least {side})" for side in sides)
        raise UserError(
            f"model {model}: images are {height} x {width}; use sides that are multiples of {quarters}, as "
            f"--image_size={max(sides)} or --image_size={max(sides)}x{max(sides) * 3 // 2}"
        )
    return max(fit)


class LayerFactory:
    """Makes convolutions and dense layers, plain or spectrally normalised, with one kind of initial weights.

    Args:
      spectral: whether the layers are spectrally normalised.
      initializer: the name of a Keras initializer of kernels, or an initializer's configuration.
      pointwise: the same of 1x1 and dense kernels, if theirs is another.
    """

    def __init__(self, spectral: bool, initializer: Any, pointwise: Any = None) -> None:
        self._conv: Any = SpectralConv2D if spectral else layers.Conv2D
        self._dense: Any = SpectralDense if spectral else layers.Dense
        self._initializer, self._pointwise = initializer, pointwise or initializer

    def conv(self, channels: int, size: int = 3, use_bias: bool = True) -> layers.Layer:
        """A convolution that keeps height and width."""
        weights = keras.initializers.get(self._pointwise if size == 1 else self._initializer)
        return self._conv(channels, size, padding="same", use_bias=use_bias, kernel_initializer=weights)

    def dense(self, units: int, use_bias: bool = True, dtype: str | None = None) -> layers.Layer:
        """A dense layer; `dtype` in place of the policy that holds where models are built."""
        weights = keras.initializers.get(self._pointwise)
        return self._dense(units, use_bias=use_bias, kernel_initializer=weights, dtype=dtype)


def labels_input(classes: int | None) -> tuple[Tensor | None, Tensor | None]:
    """(the input of labels int32 [n], the labels one-hot [n, classes]); (None, None) without classes."""
    if not classes:
        return None, None
    labels = keras.Input((), dtype="int32", name="labels")
    return labels, OneHot(classes)(labels)


def images_input(sample_shape: Sequence[int], augment: Sequence[str] = ()) -> tuple[Tensor, Tensor]:
    """(a critic's input of images, the images that its blocks see: augmented, if `augment` holds anything)."""
    images = keras.Input(sample_shape)
    return images, Augmentation(augment)(images) if augment else images


def model(x: Tensor, labels: Tensor | None, outputs: Tensor, name: str) -> keras.Model:
    """The model from x, and from labels if there are any, to the outputs."""
    return keras.Model(x if labels is None else [x, labels], outputs, name=name)


def normalized(x: Tensor, kinds: Tensor | None = None) -> Tensor:
    """Batch norm; with `kinds`, one-hot labels [n, classes], each class has its own scales and shifts.

    Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style", ICLR 2017, as SAGAN's generator has it.
    """
    if kinds is None:
        return layers.BatchNormalization()(x)
    channels = x.shape[-1]

    def row(initializer: str) -> Tensor:  # of a table [classes, channels]
        table = layers.Dense(channels, use_bias=False, kernel_initializer=initializer)
        return layers.Reshape((1, 1, channels))(table(kinds))

    x = layers.BatchNormalization(center=False, scale=False)(x)
    return layers.Add()([layers.Multiply()([x, row("ones")]), row("zeros")])


def up_block(x: Tensor, channels: int, make: LayerFactory, kinds: Tensor | None = None, project: bool = True) -> Tensor:
    """norm-ReLU-up-conv-norm-ReLU-conv beside up-conv1x1, or beside up alone without `project`: twice the side."""

    def up(y: Tensor) -> Tensor:
        return layers.UpSampling2D(2, interpolation="nearest")(y)

    shortcut = make.conv(channels, 1)(up(x)) if project else up(x)
    x = make.conv(channels)(up(layers.ReLU()(normalized(x, kinds))))
    x = make.conv(channels)(layers.ReLU()(normalized(x, kinds)))
    return layers.Add()([x, shortcut])


def generator(
    latent_size: int,
    multiples: Sequence[int],
    sample_shape: Sequence[int],
    width: int,
    make: LayerFactory,
    classes: int | None = None,
    attention: int | None = None,
) -> keras.Model:
    """[n, latent_size] (and labels [n]) -> images [n, *sample_shape] in [-1, 1].

    Args:
      multiples: channels in multiples of `width`: of the first maps, and of each `up_block`, which doubles the sides.
      sample_shape: (height, width, channels).
      make: of all layers with kernels but batch norm's.
      classes: how many there are; None without labels.
      attention: the place of the `up_block` that self-attention follows; None without self-attention.
    """
    doublings = len(multiples) - 1
    high, broad, channels = sample_shape[0] >> doublings, sample_shape[1] >> doublings, sample_shape[2]
    latents, (labels, kinds) = keras.Input((latent_size,)), labels_input(classes)
    x = make.dense(high * broad * multiples[0] * width)(latents)
    x = layers.Reshape((high, broad, multiples[0] * width))(x)
    for place, multiple in enumerate(multiples[1:]):
        x = up_block(x, multiple * width, make, kinds)
        if place == attention:
            x = self_attention(x, make)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    images = layers.Activation("tanh", dtype="float32")(make.conv(channels)(x))
    return model(latents, labels, images, "generator")


def down_block(
    x: Tensor, channels: int, make: LayerFactory, halves: bool, norm: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """ReLU-conv-ReLU-conv(-mean) beside conv1x1(-mean); beside x itself if neither channels nor side change.

    Args:
      halves: whether a mean over 2 x 2 halves the side.
      norm: is put before each ReLU.
    """

    def active(y: Tensor) -> Tensor:
        return layers.ReLU()(norm(y) if norm else y)

    def down(y: Tensor) -> Tensor:
        return layers.AveragePooling2D(2)(y) if halves else y

    changes = halves or x.shape[-1] != channels
    shortcut = down(make.conv(channels, 1)(x)) if changes else x
    x = make.conv(channels)(active(x))
    x = down(make.conv(channels)(active(x)))
    return layers.Add()([x, shortcut])


def first_down_block(x: Tensor, channels: int, make: LayerFactory) -> Tensor:
    """conv-ReLU-conv-mean beside mean-conv1x1: half the side, no ReLU on pixels."""
    shortcut = make.conv(channels, 1)(layers.AveragePooling2D(2)(x))
    x = make.conv(channels)(layers.ReLU()(make.conv(channels)(x)))
    return layers.Add()([layers.AveragePooling2D(2)(x), shortcut])


def scores(x: Tensor, make: LayerFactory, kinds: Tensor | None = None) -> Tensor:
    """float32 [n, 1]: w . h + b, h the sums of x over height and width; with `kinds`, w . h + b + V[class] . h.

    The sum with V is the projection discriminator of Miyato and Koyama, ICLR 2018, equation 4.
    """
    h = SumPooling()(x)
    score = make.dense(1, dtype="float32")(h)
    if kinds is None:
        return score
    row = make.dense(h.shape[-1], use_bias=False, dtype="float32")(kinds)
    return layers.Add(dtype="float32")([score, layers.Dot(axes=1, dtype="float32")([h, row])])


def self_attention(x: Tensor, make: LayerFactory) -> Tensor:
    """x + gamma o(softmax(f(x) g(x)^T) h(x)): f, g of channels / 8, h of channels / 2, gamma from 0.

    Zhang, Goodfellow, Metaxas, Odena, "Self-Attention Generative Adversarial Networks", ICML 2019, equations 1 to 3;
    keys and values are pooled 2 x 2 as in its released code. Memory: n (height width)^2 / 4 numbers.

    Raises:
      UserError: fewer than 8 channels.
    """
    _, height, width, channels = x.shape
    if channels < 8:
        raise UserError(f"attention: maps of {channels} channels; it takes 8 or more, as --width_g=8 --width_d=8 gives")

    def flat(y: Tensor) -> Tensor:
        return layers.Reshape((-1, y.shape[-1]))(y)

    def projected(units: int, pool: bool) -> Tensor:
        y = make.conv(units, 1, use_bias=False)(x)
        return flat(layers.MaxPooling2D(2)(y) if pool else y)

    queries, keys = projected(channels // 8, False), projected(channels // 8, True)
    attention = layers.Softmax(dtype="float32")(layers.Dot(axes=2)([queries, keys]))  # [n, h w, h w / 4]
    seen = layers.Dot(axes=(2, 1))([attention, projected(channels // 2, True)])
    seen = make.conv(channels, 1, use_bias=False)(layers.Reshape((height, width, channels // 2))(seen))
    return layers.Add()([x, Gate()(seen)])


@keras.saving.register_keras_serializable(package="tfdgan")
class OneHot(layers.Layer):
    """int32 [n] -> [n, classes] of 0 and 1."""

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.classes = classes

    def call(self, labels: tf.Tensor) -> tf.Tensor:
        return ops.one_hot(labels, self.classes, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable(package="tfdgan")
class SumPooling(layers.Layer):
    """[n, height, width, channels] -> float32 [n, channels]: sums over height and width."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return ops.sum(x, axis=(1, 2))


@keras.saving.register_keras_serializable(package="tfdgan")
class Gate(layers.Layer):
    """gamma x, gamma one trainable number that begins at 0."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.gamma * x
