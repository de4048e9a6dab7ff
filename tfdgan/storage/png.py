"""Pictures as PNG."""

import numpy as np
import tensorflow as tf


def to_png(picture: np.ndarray) -> bytes:
    """uint8 [h, w, 1 or 3] as the bytes of a PNG file."""
    return tf.io.encode_png(picture).numpy()
