"""Images as samples: their size, their channels, and how they get them."""

import tensorflow as tf

from tfdgan.data.form import AS_IT_IS, WAYS, Form


def to_sample(image: tf.Tensor, form: Form = AS_IT_IS) -> tf.Tensor:
    """An image [h, w, c] of numbers in 0..255, as float32 [height, width, c] in [-1, 1]."""
    return scaled(fitted(image, form))


def scaled(image: tf.Tensor) -> tf.Tensor:
    """Numbers in 0..255 as float32 in [-1, 1]."""
    return tf.cast(image, tf.float32) / 127.5 - 1.0


def fitted(image: tf.Tensor, form: Form) -> tf.Tensor:
    """An image [h, w, c] of numbers in 0..255, as float32 of the wanted size and channels, in the same range.

    A smaller image is the mean of the pixels that fall together ("area"), a larger one is bilinear.
    """
    image = tf.cast(image, tf.float32)
    if form.channels and form.channels != image.shape[-1]:
        image = tf.image.rgb_to_grayscale(image) if form.channels == 1 else tf.repeat(image, 3, axis=2)
    if form.size and tuple(image.shape[:2]) != form.size:
        channels = image.shape[-1]
        image = tf.ensure_shape(_FITS[form.resize](image, form), [*form.size, channels])
    return image


def _crop(image: tf.Tensor, form: Form) -> tf.Tensor:
    height, width = form.size or (0, 0)
    across, down = _lengths(image)
    tall = tf.minimum(down, _in_proportion(across, width, height))
    broad = tf.minimum(across, _in_proportion(down, height, width))
    top, left = (down - tall) // 2, (across - broad) // 2
    return _resized(image[top : top + tall, left : left + broad], (height, width))


def _pad(image: tf.Tensor, form: Form) -> tf.Tensor:
    height, width = form.size or (0, 0)
    across, down = _lengths(image)
    tall = tf.minimum(height, _in_proportion(width, across, down))
    broad = tf.minimum(width, _in_proportion(height, down, across))
    channels = image.shape[-1]
    colour = tf.constant(form.background, tf.float32)
    if channels == 1:
        colour = tf.image.rgb_to_grayscale(colour[tf.newaxis, tf.newaxis])[0, 0]
    top, left = (height - tall) // 2, (width - broad) // 2
    around = [[top, height - tall - top], [left, width - broad - left], [0, 0]]
    return tf.pad(_resized(image, (tall, broad)) - colour, around) + colour


def _squash(image: tf.Tensor, form: Form) -> tf.Tensor:
    return _resized(image, form.size or (0, 0))


_FITS = dict(zip(WAYS, (_crop, _pad, _squash), strict=True))


def _lengths(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(width, height)."""
    shape = tf.shape(image)
    return shape[1], shape[0]


def _in_proportion(length: tf.Tensor | int, of: tf.Tensor | int, to: tf.Tensor | int) -> tf.Tensor:
    """length * to / of, rounded, at least 1."""
    return tf.maximum(1, (2 * length * to + of) // (2 * of))


def _resized(image: tf.Tensor, size: tuple[tf.Tensor | int, tf.Tensor | int]) -> tf.Tensor:
    across, down = _lengths(image)
    shrinks = (size[0] <= down) & (size[1] <= across)
    return tf.cond(
        tf.convert_to_tensor(shrinks),
        lambda: tf.image.resize(image, size, method="area"),
        lambda: tf.image.resize(image, size, method="bilinear", antialias=True),
    )
