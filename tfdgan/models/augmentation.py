"""Augmentation of what a critic sees, of real and generated images alike, so that few images teach longer.

Zhao, Liu, Lin, Zhu, Han, "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020: colour,
translation and cutout with its section 4's ranges. Everything is differentiable in the images, as often as wanted, so
that the generator learns through it and penalties see it.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

FLIP, DIFFAUG = "flip", "diffaug"
KINDS = (FLIP, DIFFAUG)
DRAWS = 8  # numbers that an image's augmentation is a function of
_SHIFT = 1 / 8  # of a side, at most
_HOLE = 1 / 2  # of a side


@keras.saving.register_keras_serializable(package="tfdgan")
class Augmentation(layers.Layer):
    """Images -> the same images, augmented anew in each training pass; in inference images stay as they are.

    It is a critic's first layer: `augmentation.Augmentation(["diffaug"])(images)`.

    Args:
      kinds: of `KINDS`, at least one.
      seed: of the random numbers; None: Keras' global seed gives one.

    Raises:
      ValueError: another kind.
    """

    def __init__(self, kinds: Sequence[str], seed: int | None = None, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.kinds, self.seed = checked(kinds), seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return images
        draws = keras.random.uniform((tf.shape(images)[0], DRAWS), seed=self.seed_generator)
        return augmented(images, draws, self.kinds)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kinds": list(self.kinds), "seed": self.seed}


def checked(kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds in the order in which they are applied, each once.

    Raises:
      ValueError: a kind that is not in `KINDS`, or none at all.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ValueError(f"augmentation {', '.join(map(repr, unknown)) or 'is empty'}; choose of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def augmented(images: tf.Tensor, draws: tf.Tensor, kinds: Sequence[str]) -> tf.Tensor:
    """Each image, augmented as its random numbers say: like `images`.

    Args:
      images: float32 [n, height, width, channels] in [-1, 1]; what leaves this range is not cut.
      draws: [n, DRAWS] in [0, 1): mirror; brightness, saturation, contrast; shift down, right; row, column of the hole.
      kinds: "flip" mirrors an image where its number is below a half; "diffaug" is `recoloured`, then `shifted`, then
        `cut_out`.
    """
    if FLIP in kinds:
        images = tf.where(draws[:, 0, None, None, None] < 0.5, tf.reverse(images, [2]), images)
    if DIFFAUG in kinds:
        images = cut_out(shifted(recoloured(images, draws[:, 1:4]), draws[:, 4:6]), draws[:, 6:8])
    return images


def recoloured(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Brightness, saturation and contrast, of draws b, s, c [n, 3].

    x + b - .5; then 2 s times a pixel's distance from the mean of its channels; then c + .5 times its distance from the
    mean of the image.
    """
    brightness, saturation, contrast = (draws[:, place, None, None, None] for place in range(3))
    images = images + (brightness - 0.5)
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + 2 * saturation * (images - grey)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (contrast + 0.5) * (images - mean)


def shifted(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Moved down and right by whole pixels, uniformly from -1/8 to 1/8 of the side; what is uncovered is 0 (grey).

    Moving is a product with a matrix of 0 and 1 for either side: every derivative of it is one too.

    Args:
      draws: [n, 2], down and right.
    """
    down, right = (_moves(draws[:, place], images.shape[1 + place]) for place in range(2))
    return tf.einsum("nij,nkl,njlc->nikc", down, right, images, optimize="optimal")


def cut_out(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Half as high and half as wide a rectangle of 0, its middle anywhere in the image.

    Args:
      draws: [n, 2], of the middle's row and column.
    """
    rows, columns = (_hole(draws[:, place], images.shape[1 + place]) for place in range(2))
    return images * (1.0 - rows[:, :, None, None] * columns[:, None, :, None])


def _moves(draw: tf.Tensor, side: int) -> tf.Tensor:
    """float32 [n, side, side]: 1 where place j comes to place i."""
    most = int(side * _SHIFT + 0.5)
    move = tf.cast(tf.floor(draw * (2 * most + 1)), tf.int32) - most
    places = tf.range(side)
    return tf.cast(places[None, :, None] - places[None, None, :] == move[:, None, None], tf.float32)


def _hole(draw: tf.Tensor, side: int) -> tf.Tensor:
    """float32 [n, side]: 1 within the hole."""
    length = int(side * _HOLE + 0.5)
    first = tf.cast(tf.floor(draw * (side + 1 - length % 2)), tf.int32) - length // 2
    places = tf.range(side)[None]
    return tf.cast((places >= first[:, None]) & (places < first[:, None] + length), tf.float32)
