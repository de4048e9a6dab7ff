"""Images as samples."""

import tensorflow as tf


def to_sample(image: tf.Tensor, image_size: int) -> tf.Tensor:
    """A uint8 image [h, w, c] as float32 in [-1, 1], resized to [image_size, image_size, c] unless image_size is 0."""
    image = tf.cast(image, tf.float32)
    if image_size and tuple(image.shape[:2]) != (image_size, image_size):
        channels = image.shape[-1]
        image = tf.image.resize(image, [image_size, image_size], method="area")
        image = tf.ensure_shape(image, [image_size, image_size, channels])
    return image / 127.5 - 1.0
