"""Batch norm's statistics, estimated anew: against the batches' own statistics in NumPy, whatever holds the layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models.spectral_norm import SpectralDense
from tfdgan.training import recalibration


class Block(keras.layers.Layer):
    """A layer that Keras does not know, with batch norm within."""

    def __init__(self, momentum):
        super().__init__()
        self.dense, self.norm = keras.layers.Dense(3), keras.layers.BatchNormalization(momentum=momentum)

    def build(self, shape):
        self.dense.build(shape)
        self.norm.build((*shape[:-1], 3))

    def call(self, x, training=False):
        return self.norm(self.dense(x), training=training)


def net():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((2,)), SpectralDense(2), Block(0.9), keras.layers.Dropout(0.0), Block(0.5), keras.layers.Dense(1)]
    )


def inputs(batch):
    return tf.constant(np.random.default_rng(batch).standard_normal((8, 2)).astype(np.float32))


def expected(model, batches):
    """{layer: (mean over batches of the batch mean, of the batch variance)} of the two blocks, in NumPy."""
    first, second = (layer for layer in model.layers if isinstance(layer, Block))
    found = []
    for batch in batches:
        x = model.layers[0](inputs(batch)).numpy().astype(np.float64)
        for block in (first, second):
            kernel, bias = (w.numpy() for w in block.dense.weights)
            x = x @ kernel + bias
            mean, variance = x.mean(axis=0), x.var(axis=0)
            found.append((mean, variance))
            gamma, beta = (w.numpy() for w in block.norm.trainable_variables)
            x = gamma * (x - mean) / np.sqrt(variance + block.norm.epsilon) + beta
    return [
        np.mean([found[2 * n + layer][kind] for n in range(len(batches))], axis=0)
        for layer in (0, 1)
        for kind in (0, 1)
    ]


def test_statistics_are_the_means_over_batches():
    model = net()
    values = [[v.numpy() for v in group] for group in (model.trainable_variables, model.non_trainable_variables)]
    assert recalibration.has_statistics(model)
    whole = recalibration.statistics(model, *values, inputs, range(4))
    parts = [recalibration.statistics(model, *values, inputs, range(start, 4, 2)) for start in (0, 1)]
    named = {v.path: total / 4 for v, total in zip(_vectors(model), whole, strict=True)}
    averages = [value for path, value in named.items() if "moving" in path]
    for found, want in zip(averages, expected(model, range(4)), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)
    for a, b, c in zip(whole, *parts, strict=True):
        np.testing.assert_allclose(a, b + c, rtol=1e-12)
    # What is no moving average keeps its value, and the model is as it was.
    (u,) = (value for path, value in named.items() if "moving" not in path)
    (mine,) = (v.numpy() for v in _vectors(model) if "moving" not in v.path)
    np.testing.assert_allclose(u, mine, rtol=1e-6)
    for variable, before in zip(model.non_trainable_variables, values[1], strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def test_a_learner_alone_estimates_the_same():
    model = net()
    trainable, others = (
        [v.numpy() for v in group] for group in (model.trainable_variables, model.non_trainable_variables)
    )
    found = recalibration.alone(model, trainable, others, inputs, 4)
    named = dict(zip([v.path for v in model.non_trainable_variables], found, strict=True))
    averages = [value for path, value in named.items() if "moving" in path]
    for value, want in zip(averages, expected(model, range(4)), strict=True):
        np.testing.assert_allclose(value, want, rtol=1e-4, atol=1e-5)
    for value, variable in zip(found, model.non_trainable_variables, strict=True):
        assert value.dtype == variable.dtype and value.shape == variable.shape
        if "moving" not in variable.path:
            np.testing.assert_allclose(value, variable.numpy(), rtol=1e-6)


def _vectors(model):
    return [v for v in model.non_trainable_variables if v.dtype == "float32" and len(v.shape)]


@pytest.mark.parametrize("layer", [keras.layers.LayerNormalization(), keras.layers.Dropout(0.5)])
def test_nets_without_statistics(layer):
    assert not recalibration.has_statistics(keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)]))
