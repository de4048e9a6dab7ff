"""Rounding to the type on the wire, and its bits as Horovod can carry them."""

import tensorflow as tf


def encode(x: tf.Tensor, wire: tf.DType) -> tf.Tensor:
    """x rounded to `wire`; 16-bit types as uint16, since Horovod knows no bfloat16."""
    x = tf.cast(x, wire)
    return tf.bitcast(x, tf.uint16) if wire.size == 2 else x


def decode(sent: tf.Tensor, wire: tf.DType, dtype: tf.DType) -> tf.Tensor:
    """What `encode` made, as `dtype`: decode(encode(x)) is Q(x)."""
    return tf.cast(tf.bitcast(sent, wire) if wire.size == 2 else sent, dtype)
