"""A loss by the halves of a batch: the gradient is the batch's, and the noise is the variance of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models.spectral_norm import SpectralDense
from tfdgan.training.batch_loss import BatchLoss, gradients, gradients_by_halves, needs_one_pass


def squares(w):
    """mean_i (w - x_i)^2, whose gradient of a sample is 2 (w - x_i)."""

    def value(found, batch):
        loss = tf.reduce_mean(tf.square(found["errors"]))
        return loss, {"loss": loss, "ratio/max": tf.reduce_max(batch)}

    return BatchLoss(lambda x: {"errors": w - x}, value)


@pytest.mark.parametrize("one_pass", [False, True])
@pytest.mark.parametrize(
    "samples, gradient, noise",
    [
        # Halves' gradients -2, -10: mean -6, noise (8)^2 / 4.
        ([0.0, 2.0, 4.0, 6.0], -6.0, 16.0),
        # Odd: -2 (3 samples) and -8 (2): (3 * -2 + 2 * -8) / 5, noise 3 * 2 * 36 / 25.
        ([0.0, 1.0, 2.0, 3.0, 5.0], -4.4, 6 * 36 / 25),
        ([0.0, 4.0], -4.0, 16.0),
    ],
)
def test_by_hand(one_pass, samples, gradient, noise):
    w, batch = tf.constant(0.0), tf.constant(samples)
    found = gradients_by_halves(squares(w), batch, [w], one_pass=one_pass)
    plain = gradients(squares(w), batch, [w])
    assert float(found.gradients[0]) == pytest.approx(gradient, rel=1e-6)
    assert float(plain.gradients[0]) == pytest.approx(gradient, rel=1e-6)
    assert float(found.noise[0]) == pytest.approx(noise, rel=1e-6)
    assert not plain.noise
    for name in ("loss", "ratio/max"):
        assert float(found.figures[name]) == pytest.approx(float(plain.figures[name]), rel=1e-6)
    assert float(found.loss) == pytest.approx(float(plain.loss), rel=1e-6)


def test_noise_is_on_average_the_variance_of_the_gradient():
    """Of 6 normal samples of variance 1: 4 / 6, to 3 sigma over 20,000 batches."""
    w, random = tf.constant(0.0), np.random.default_rng(0)
    samples = tf.constant(random.standard_normal((20_000, 6)).astype(np.float32))

    @tf.function(autograph=False)
    def mean_noise(samples):
        return tf.reduce_mean(
            tf.map_fn(lambda x: gradients_by_halves(squares(w), x, [w], one_pass=False).noise[0], samples)
        )

    for size in (6, 5):
        assert float(mean_noise(samples[:, :size])) == pytest.approx(4 / size, rel=0.03)


def test_constants_of_the_whole_batch_get_no_gradient():
    """Each sample times the softmax of the whole batch, as fixed weights: d/dw sum_i p_i w x_i = sum_i p_i x_i."""
    x, w = tf.constant([1.0, 2.0, 3.0, 5.0]), tf.constant(0.5)

    def constants(found):
        return {"relative": 4 * tf.nn.softmax(found["scores"])}

    def value(found, batch):
        return tf.reduce_mean(found["relative"] * found["scores"]), {}

    loss = BatchLoss(lambda x: {"scores": w * x}, value, constants)
    p = np.exp(0.5 * x.numpy()) / np.exp(0.5 * x.numpy()).sum()
    a, b = 2 * np.sum((p * x.numpy())[:2]), 2 * np.sum((p * x.numpy())[2:])
    for one_pass in (False, True):
        found = gradients_by_halves(loss, x, [w], one_pass=one_pass)
        assert float(found.gradients[0]) == pytest.approx(np.sum(p * x.numpy()), rel=1e-5)
        assert float(found.noise[0]) == pytest.approx((a - b) ** 2 / 4, rel=1e-5)
    assert float(gradients(loss, x, [w]).gradients[0]) == pytest.approx(np.sum(p * x.numpy()), rel=1e-5)


def test_in_one_pass_batch_norm_sees_the_whole_batch():
    def net():
        keras.utils.set_random_seed(1)
        return keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
        )

    def loss_of(model):
        def value(found, batch):
            return tf.reduce_mean(tf.square(found["y"])), {}

        return BatchLoss(lambda x: {"y": model(x, training=True)}, value)

    x = tf.constant(np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32))
    plain, one_pass, apart = net(), net(), net()
    values = [[v.value for v in model.trainable_variables] for model in (plain, one_pass, apart)]
    want = gradients(loss_of(plain), x, values[0])
    got = gradients_by_halves(loss_of(one_pass), x, values[1], one_pass=True)
    other = gradients_by_halves(loss_of(apart), x, values[2], one_pass=False)
    for a, b in zip(got.gradients, want.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    # The moving statistics have moved once, by the whole batch.
    for a, b in zip(one_pass.non_trainable_variables, plain.non_trainable_variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(other.gradients, want.gradients, strict=True)) > 1e-2
    assert all((q.numpy() >= 0).all() for q in got.noise) and max(q.numpy().max() for q in got.noise) > 0


def test_nets_whose_samples_depend_on_each_other_are_seen():
    def net(*layers):
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), *layers])

    assert needs_one_pass(net(), net(keras.layers.BatchNormalization()))
    nested = net(keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(2)]))
    assert needs_one_pass(nested)
    assert not needs_one_pass(net(), net(keras.layers.LayerNormalization(), keras.layers.Dropout(0.5)))
    assert not needs_one_pass(net(SpectralDense(2)))
