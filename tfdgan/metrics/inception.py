"""The Inception net of 2015 by which FID, KID and IS are defined, from the weights that PyTorch's community uses.

Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016; Heusel et al., "GANs Trained by
a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017. The net of the scores differs from
Keras' InceptionV3: it has 1,008 outputs, means over 3 x 3 that leave out what is beyond the border, and a maximum in
the last block.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import layers

# Of the file pt_inception-2015-12-05-6726825d.pth, also known as weights-inception-2015-12-05-6726825d.pth.
KNOWN_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
VERSION = "bytes, TensorFlow 1 bilinear, (x - 128) / 128"  # what `pixels` does; other words, other features
SIDE = 299
LOGITS = 1008
_EPSILON = 1e-3  # of batch norm

Tensor: TypeAlias = keras.KerasTensor


def pixels(images: tf.Tensor) -> tf.Tensor:
    """What the net sees of images float32 [n, h, w, 3] in [-1, 1]: float32 [n, 299, 299, 3].

    Images become bytes first, as in files, are resized as TensorFlow 1 did it (bilinear, by the upper left corners,
    without antialiasing), and then x -> (x - 128) / 128.
    """
    stored = tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0)
    resized = tf.raw_ops.ResizeBilinear(images=stored, size=[SIDE, SIDE], align_corners=False, half_pixel_centers=False)
    return (resized - 128.0) / 128.0


def build() -> keras.Model:
    """`pixels` -> (features [n, 2048], logits without their bias [n, 1008]), with weights that mean nothing."""
    seen = keras.Input((SIDE, SIDE, 3))
    x = _conv(seen, "Conv2d_1a_3x3", 32, 3, strides=2, padding="valid")
    x = _conv(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = layers.MaxPooling2D(3, 2)(_conv(x, "Conv2d_2b_3x3", 64, 3))
    x = _conv(x, "Conv2d_3b_1x1", 80, 1)
    x = layers.MaxPooling2D(3, 2)(_conv(x, "Conv2d_4a_3x3", 192, 3, padding="valid"))
    for block, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = _block_35(x, block, pooled)
    x = _to_17(x, "Mixed_6a")
    for block, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _block_17(x, block, width)
    x = _to_8(x, "Mixed_7a")
    x = _block_8(x, "Mixed_7b", _mean)
    x = _block_8(x, "Mixed_7c", layers.MaxPooling2D(3, 1, "same"))
    features = layers.GlobalAveragePooling2D()(x)
    return keras.Model(seen, [features, layers.Dense(LOGITS, use_bias=False, name="fc")(features)])


def take_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give the net of `build` the weights of a PyTorch state dict.

    Args:
      weights: {name: array}, as `Mixed_5b.branch1x1.conv.weight` [outputs, inputs, height, width]. The bias of `fc` is
        not used: IS is defined without it.

    Raises:
      ValueError: a weight is missing, or has another shape.
    """
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.set_weights([_weight(weights, f"{layer.name}.conv.weight", (2, 3, 1, 0), layer.kernel.shape)])
        elif isinstance(layer, layers.BatchNormalization):
            name, shape = layer.name.removesuffix(".bn"), layer.beta.shape
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([_weight(weights, f"{name}.bn.{part}", (0,), shape) for part in parts])
        elif layer.name == "fc":
            layer.set_weights([_weight(weights, "fc.weight", (1, 0), layer.kernel.shape)])


def save(model: keras.Model, digest: str, path: str) -> None:
    """Write the net of `build` as an extractor that takes images of any size.

    Args:
      digest: SHA-256 in hex of the file that its weights come from.
      path: of the SavedModel.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")], autograph=False)
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        features, logits = model(pixels(images), training=False)
        return {"pool_3": features, "logits": logits}

    module = tf.Module()
    module.model, module.serve = model, serve
    module.weights_sha256 = tf.Variable(digest, trainable=False)
    tf.saved_model.save(module, path, signatures={"serving_default": serve})


def _weight(weights: Mapping[str, np.ndarray], name: str, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    if name not in weights:
        raise ValueError(f"there is no weight {name}")
    found = np.asarray(weights[name])
    if found.ndim != len(axes) or tuple(np.transpose(found, axes).shape) != tuple(shape):
        raise ValueError(f"the weight {name} has shape {found.shape}, which does not fit")
    return np.transpose(found, axes)


def _conv(
    x: Tensor, name: str, channels: int, size: int | tuple[int, int], *, strides: int = 1, padding: str = "same"
) -> Tensor:
    x = layers.Conv2D(channels, size, strides=strides, padding=padding, use_bias=False, name=name)(x)
    return layers.ReLU()(layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}.bn")(x))


def _chain(x: Tensor, block: str, *steps: tuple[str, int, int | tuple[int, int]]) -> Tensor:
    """Convolutions one after the other, each (name, channels, size)."""
    for name, channels, size in steps:
        x = _conv(x, f"{block}.{name}", channels, size)
    return x


def _mean(x: Tensor) -> Tensor:
    """Means over 3 x 3; at the border over what is there."""
    return layers.AveragePooling2D(3, 1, "same")(x)


def _joined(*branches: Tensor) -> Tensor:
    return layers.Concatenate()(branches)


def _block_35(x: Tensor, block: str, pooled: int) -> Tensor:
    return _joined(
        _chain(x, block, ("branch1x1", 64, 1)),
        _chain(x, block, ("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        _chain(x, block, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        _chain(_mean(x), block, ("branch_pool", pooled, 1)),
    )


def _to_17(x: Tensor, block: str) -> Tensor:
    double = _chain(x, block, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3))
    return _joined(
        _conv(x, f"{block}.branch3x3", 384, 3, strides=2, padding="valid"),
        _conv(double, f"{block}.branch3x3dbl_3", 96, 3, strides=2, padding="valid"),
        layers.MaxPooling2D(3, 2)(x),
    )


def _block_17(x: Tensor, block: str, width: int) -> Tensor:
    wide, high = (1, 7), (7, 1)
    double = (("1", width, 1), ("2", width, high), ("3", width, wide), ("4", width, high), ("5", 192, wide))
    return _joined(
        _chain(x, block, ("branch1x1", 192, 1)),
        _chain(x, block, ("branch7x7_1", width, 1), ("branch7x7_2", width, wide), ("branch7x7_3", 192, high)),
        _chain(x, block, *((f"branch7x7dbl_{number}", channels, size) for number, channels, size in double)),
        _chain(_mean(x), block, ("branch_pool", 192, 1)),
    )


def _to_8(x: Tensor, block: str) -> Tensor:
    square = _chain(x, block, ("branch3x3_1", 192, 1))
    long = _chain(x, block, ("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, (1, 7)), ("branch7x7x3_3", 192, (7, 1)))
    return _joined(
        _conv(square, f"{block}.branch3x3_2", 320, 3, strides=2, padding="valid"),
        _conv(long, f"{block}.branch7x7x3_4", 192, 3, strides=2, padding="valid"),
        layers.MaxPooling2D(3, 2)(x),
    )


def _block_8(x: Tensor, block: str, pool: layers.Layer) -> Tensor:
    single = _chain(x, block, ("branch3x3_1", 384, 1))
    double = _chain(x, block, ("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3))
    return _joined(
        _chain(x, block, ("branch1x1", 320, 1)),
        _chain(single, block, ("branch3x3_2a", 384, (1, 3))),
        _chain(single, block, ("branch3x3_2b", 384, (3, 1))),
        _chain(double, block, ("branch3x3dbl_3a", 384, (1, 3))),
        _chain(double, block, ("branch3x3dbl_3b", 384, (3, 1))),
        _chain(pool(x), block, ("branch_pool", 192, 1)),
    )
