"""A convolution over time of which only the maximum is kept: neither memory nor gradients for the other places.

With rows x of numbers along time, filters W and the best places b(x, W) as constants, all is linear in each argument:

    selected(x, W)[r, f] = sum_k x[r, b[r, f] + k] W[k, f]
    spread(d, W)[r, t]   = sum over (f, k) with b[r, f] + k = t of d[r, f] W[k, f]         selected's gradient to x
    correlated(d, x)[k, f] = sum_r d[r, f] x[r, b[r, f] + k]                               selected's gradient to W

So the gradients of each are the other two, to any order: the penalty of a critic needs the second. XLA makes one loop
of each over rows and filters, in which the places are unrolled; TensorFlow's kernels write every place to memory.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

_MANY = 4096  # channels times filters: with fewer, XLA takes longer to compile than it saves
_MOST_PLACES = 64  # which are unrolled: the more, the longer XLA compiles

Derived = tuple[tf.Tensor, Callable[..., tuple[tf.Tensor | None, ...]]]


@keras.saving.register_keras_serializable("tfdgan")
class MaxOverTime(layers.Layer):
    """x [n, length, channels] -> max_t relu(sum_k kernel[k] x[t + k, c] + bias): [n, channels, filters].

    All channels c are read by the same filters. This is a convolution, ReLU and maximum over the places t as Kim,
    "Convolutional Neural Networks for Sentence Classification", EMNLP 2014, has them.

    With 4,096 channels times filters or more and at most 64 places, only the maxima and their places are kept, n *
    channels * filters of each, in float32, and of equal places the first has the gradient. Otherwise it is TensorFlow's
    convolution, which keeps the numbers of all places twice, and equal places share the gradient.

    Args:
      filters: how many.
      width: places that a filter reads.
    """

    def __init__(self, filters: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.width = filters, width

    def build(self, input_shape: Sequence[int | None]) -> None:
        del input_shape
        # The shape that a Conv2D layer's has, and so its initial values.
        self.kernel = self.add_weight(name="kernel", shape=(self.width, 1, 1, self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.built = True

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return input_shape[0], input_shape[2], self.filters

    def call(self, x: tf.Tensor) -> tf.Tensor:
        length, channels = x.shape[1:]
        if channels * self.filters < _MANY or length - self.width >= _MOST_PLACES:
            sums = tf.nn.conv2d(x[..., tf.newaxis], self.kernel, strides=1, padding="VALID")
            return tf.reduce_max(tf.nn.relu(sums + self.bias), axis=1)
        rows = tf.reshape(tf.transpose(tf.cast(x, tf.float32), [0, 2, 1]), [-1, length])
        kernel = tf.reshape(tf.cast(self.kernel, tf.float32), [self.width, self.filters])
        highest = tf.reshape(_highest(rows, kernel), [-1, channels, self.filters])
        return tf.nn.relu(tf.cast(highest, self.compute_dtype) + self.bias)


@tf.custom_gradient
def _highest(x: tf.Tensor, kernel: tf.Tensor) -> Derived:
    """max_t sum_k x[r, t + k] kernel[k, f]: float32 [rows, filters]; x is [rows, length], kernel [width, filters]."""
    highest, best = _found(x, kernel)
    return highest, lambda d: (_spread(d, kernel, best, x.shape[1]), _correlated(d, x, best, kernel.shape[0]))


@tf.custom_gradient
def _selected(x: tf.Tensor, kernel: tf.Tensor, best: tf.Tensor) -> Derived:
    def gradient(d: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        return _spread(d, kernel, best, x.shape[1]), _correlated(d, x, best, kernel.shape[0]), None

    return _select(x, kernel, best), gradient


def _spread(d: tf.Tensor, kernel: tf.Tensor, best: tf.Tensor, length: int) -> tf.Tensor:
    @tf.custom_gradient
    def of(d: tf.Tensor, kernel: tf.Tensor) -> Derived:
        def gradient(u: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            return _selected(u, kernel, best), _correlated(d, u, best, kernel.shape[0])

        return _spread_out(d, kernel, best, length), gradient

    return of(d, kernel)


def _correlated(d: tf.Tensor, x: tf.Tensor, best: tf.Tensor, width: int) -> tf.Tensor:
    @tf.custom_gradient
    def of(d: tf.Tensor, x: tf.Tensor) -> Derived:
        def gradient(u: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            return _selected(x, u, best), _spread(d, u, best, x.shape[1])

        return _correlate(d, x, best, width), gradient

    return of(d, x)


def _at(x: tf.Tensor, kernel: tf.Tensor, place: int) -> tf.Tensor:
    """sum_k x[:, place + k] kernel[k]: [rows, filters]."""
    return sum(x[:, place + k, tf.newaxis] * kernel[k] for k in range(kernel.shape[0]))


@tf.function(jit_compile=True)
def _found(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(the highest sums, at which places): float32 and int32 [rows, filters]."""
    highest = _at(x, kernel, 0)
    best = tf.zeros_like(highest, tf.int32)
    for place in range(1, x.shape[1] - kernel.shape[0] + 1):
        sums = _at(x, kernel, place)
        best = tf.where(sums > highest, place, best)
        highest = tf.maximum(highest, sums)
    return highest, best


@tf.function(jit_compile=True)
def _select(x: tf.Tensor, kernel: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
    selected = tf.zeros_like(best, tf.float32)
    for place in range(x.shape[1] - kernel.shape[0] + 1):
        selected = tf.where(best == place, _at(x, kernel, place), selected)
    return selected


@tf.function(jit_compile=True)
def _spread_out(d: tf.Tensor, kernel: tf.Tensor, best: tf.Tensor, length: int) -> tf.Tensor:
    d, best = tf.transpose(d), tf.transpose(best)  # sums over rows of a matrix are made many columns at a time
    width = kernel.shape[0]

    def at(time: int) -> tf.Tensor:
        offsets = [k for k in range(width) if 0 <= time - k <= length - width]
        return sum(tf.where(best == time - k, d * kernel[k, :, tf.newaxis], 0.0) for k in offsets)

    return tf.stack([tf.reduce_sum(at(time), axis=0) for time in range(length)], axis=1)


@tf.function(jit_compile=True)
def _correlate(d: tf.Tensor, x: tf.Tensor, best: tf.Tensor, width: int) -> tf.Tensor:
    def read(offset: int) -> tf.Tensor:
        found = tf.zeros_like(d)
        for place in range(x.shape[1] - width + 1):
            found = tf.where(best == place, x[:, place + offset, tf.newaxis], found)
        return found

    return tf.stack([tf.reduce_sum(d * read(offset), axis=0) for offset in range(width)])
