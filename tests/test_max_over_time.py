"""The convolution of which only the maximum over time is kept: by hand, and beside TensorFlow's own kernels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models import max_over_time
from tfdgan.models.max_over_time import MaxOverTime


@pytest.fixture
def many(request, monkeypatch):
    monkeypatch.setattr(max_over_time, "_MANY", request.param)


@pytest.fixture
def many_everywhere(monkeypatch):
    monkeypatch.setattr(max_over_time, "_MANY", 1)


def layer(kernel, bias, **options):
    width, filters = np.shape(kernel)
    built = MaxOverTime(filters, width, **options)
    built.build((None, None, None))
    built.set_weights([np.reshape(kernel, (width, 1, 1, filters)), np.array(bias)])
    return built


def usual(x, kernel, bias):
    """The same by a convolution, ReLU and maximum."""
    sums = tf.nn.conv2d(x[..., tf.newaxis], kernel, strides=1, padding="VALID")
    return tf.reduce_max(tf.nn.relu(sums + bias), axis=1)


@pytest.mark.parametrize("many", [1, 1 << 30], indirect=True)
def test_by_hand(many):
    """Two channels, places 0 to 2; filter 0 sums two places, filter 1 subtracts them, filter 2 is never above 0."""
    built = layer([[1, 1, 0], [1, -1, 0]], [0.5, 0.0, -1.0])
    x = tf.constant([[[1, 0], [2, -1], [0, 3], [-4, 1.0]]])
    np.testing.assert_allclose(built(x), [[[3.5, 4, 0], [4.5, 2, 0]]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(built(x))
    of_x, kernel, bias = tape.gradient(total, [x, *built.trainable_variables])
    np.testing.assert_allclose(of_x, [[[1, 0], [1, 0], [1, 2], [-1, 0]]])  # channel 1: place 2 in both
    np.testing.assert_allclose(kernel[:, 0, 0], [[1 + 3, 0 + 3, 0], [2 + 1, -4 + 1, 0]])
    np.testing.assert_allclose(bias, [2, 2, 0])


@pytest.mark.parametrize("width, jit", [(1, False), (3, False), (3, True), (6, False)])
@pytest.mark.parametrize("many", [1], indirect=True)
def test_values_and_derivatives_are_those_of_a_convolution(width, jit, many):
    """Of the first order to all arguments, and of a penalty on the gradient to x."""
    draw = np.random.default_rng(width)
    x = tf.constant(draw.normal(size=(5, 6, 2)), tf.float32)
    kernel, bias = draw.normal(size=(width, 4)).astype(np.float32), draw.normal(size=4).astype(np.float32)
    built = layer(kernel, bias)
    weights = [v.value for v in built.trainable_variables]

    @tf.function(jit_compile=jit)
    def derivatives(function):
        with tf.GradientTape() as outer:
            outer.watch([x, *weights])
            with tf.GradientTape() as inner:
                inner.watch(x)
                found = function(x)
                loss = tf.reduce_sum(tf.square(found) * tf.cumsum(tf.ones_like(found), axis=2))
            slope = inner.gradient(loss, x)
            penalty = tf.reduce_sum(slope**3)
        return found, slope, *outer.gradient(penalty, [x, *weights])

    expected = derivatives(lambda x: usual(x, *weights))
    for one, other in zip(derivatives(built), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_many_places_are_left_to_tensorflow(many_everywhere):
    """XLA would unroll them all; of equal places, as TensorFlow has it, each has a part of the gradient."""
    built = layer([[1.0]], [0.0])
    for length, share in ((64, 1.0), (65, 0.5)):
        x = tf.reshape(tf.one_hot([1, 2], length), [2, length]) + 0.0
        x = tf.reduce_sum(x, axis=0)[tf.newaxis, :, tf.newaxis]
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = built(x)
        np.testing.assert_allclose(tape.gradient(found, x)[0, 1, 0], share)


def test_the_layer_can_be_saved(tmp_path):
    inputs = keras.Input((5, 2))
    model = keras.Model(inputs, MaxOverTime(3, 2)(inputs))
    model.save(tmp_path / "x.keras")
    x = np.random.default_rng(0).normal(size=(2, 5, 2))
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "x.keras")(x), model(x))


@pytest.mark.parametrize("many", [1], indirect=True)
def test_of_equal_places_the_first_has_the_gradient(many):
    built = layer([[1.0]], [0.0])
    x = tf.constant([[[1.0], [3.0], [3.0]]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = built(x)
    np.testing.assert_array_equal(tape.gradient(found, x), [[[0], [1], [0]]])


def test_weights_begin_as_a_convolution_does():
    keras.utils.set_random_seed(3)
    theirs = keras.layers.Conv2D(7, (3, 1))
    theirs.build((None, 8, 2, 1))
    keras.utils.set_random_seed(3)
    ours = MaxOverTime(7, 3)
    ours.build((None, 8, 2))
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("many", [1], indirect=True)
def test_numbers_of_16_bits_are_summed_in_32(many):
    draw = np.random.default_rng(0)
    kernel, x = draw.normal(size=(3, 4)), draw.normal(size=(6, 9, 2))
    built = layer(kernel, np.zeros(4), dtype="mixed_bfloat16")
    found = built(tf.constant(x, tf.float32))
    assert found.dtype == tf.bfloat16
    expected = usual(tf.cast(tf.cast(x, tf.bfloat16), tf.float32), np.reshape(kernel, (3, 1, 1, 4)).astype("f4"), 0.0)
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, rtol=0.02, atol=0.02)
