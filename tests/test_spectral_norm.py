"""Spectral normalisation as a reparametrisation, against singular values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models import spectral_norm
from tfdgan.models.spectral_norm import SpectralConv2D, SpectralDense

LAYERS = {
    "dense": (lambda: SpectralDense(5), (4, 7)),
    "conv": (lambda: SpectralConv2D(5, 3, padding="same"), (2, 6, 6, 3)),
}


def made(name):
    keras.utils.set_random_seed(3)
    make, shape = LAYERS[name]
    layer = make()
    x = tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)
    layer(x)
    return layer, x


def weights_of(layer):
    return next(v for v in layer.trainable_variables if v.name == "kernel")


@pytest.mark.parametrize("name", LAYERS)
def test_after_some_steps_the_largest_singular_value_is_one(name):
    layer, x = made(name)
    W = weights_of(layer)
    before = W.numpy()
    for _ in range(100):
        layer.update()
    matrix = before.reshape(-1, before.shape[-1])
    sigma = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(layer.kernel, before / sigma, rtol=1e-4)
    np.testing.assert_array_equal(W.numpy(), before)  # the variable keeps its value
    plain = type(layer).__mro__[2].from_config(layer.get_config())
    plain.build(x.shape)
    plain.set_weights([before / sigma, *(v.numpy() for v in layer.trainable_variables if v.name == "bias")])
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_is_orthogonal_to_the_weights(name):
    """W / sigma(W) does not change when W is scaled, so no gradient points along W, whatever u is."""
    layer, x = made(name)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x)) + layer(x))
    W = weights_of(layer)
    gradient = tape.gradient(loss, W.value)
    along = float(tf.reduce_sum(gradient * W.value))
    assert abs(along) < 1e-4 * float(tf.norm(gradient) * tf.norm(W.value))
    assert float(tf.norm(gradient)) > 0.1


def test_the_forward_pass_changes_nothing_and_update_changes_u_only():
    layer, x = made("conv")
    before = [v.numpy() for v in layer.variables]
    layer(x)
    for old, new in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    spectral_norm.update(keras.Sequential([keras.Input(x.shape[1:]), model]))
    changed = [v.name for old, v in zip(before, layer.variables, strict=True) if (old != v.numpy()).any()]
    assert changed == ["u"]


def test_saved_and_loaded(tmp_path):
    layer, x = made("dense")
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), model(x))
