"""The trainer on one learner, against steps by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.config import Config
from tfdgan.models.spectral_norm import SpectralDense
from tfdgan.training.adversarial import METRICS, AdversarialTrainer
from tfdgan.training.noise import Noise


@keras.saving.register_keras_serializable(package="tests")
class Constant(keras.layers.Layer):
    """One weight u, whatever the latents."""

    def build(self, shape):
        self.u = self.add_weight(shape=(1,), initializer=keras.initializers.Constant(0.5))

    def call(self, latents):
        return keras.ops.zeros_like(latents[:, :1]) + self.u


def bilinear(**changes):
    """Generator u = 0.5, critic f(x) = v x with v = 2: critic loss v (u - a) at data a, generator loss -v u."""
    generator = keras.Sequential([keras.Input((3,)), Constant()])
    v = keras.initializers.Constant(2.0)
    critic = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=v)])
    settings = dict(
        dataset="given", model="given", strategy="local", latent_size=3, batch_size=4, gradient_penalty=0,
        optimizer="sgd", critic_steps=1, learning_rate_g=0.1, learning_rate_d=0.1, steps=10, ema_decay=0.5,
    )  # fmt: skip
    return AdversarialTrainer(generator, critic, Config(**{**settings, **changes}), Noise(0, 0), 1)


def play(trainer, value, steps=1):
    """(u, v) after steps on data that is `value` everywhere."""
    config = trainer._config
    for step in range(steps):
        real = tf.fill([config.critic_steps * config.batch_size, 1], value)
        metrics = trainer.step(tf.constant(step, tf.int64), real)
    critic, generator = (float(player.values()[0].numpy().ravel()[0]) for player in trainer.players)
    return generator, critic, dict(zip(METRICS, metrics.numpy(), strict=True))


@pytest.mark.parametrize(
    "update, critic_steps, u, v",
    [
        # v = 2 - .1 (.5 - 1.5) = 2.1; u = .5 + .1 * 2 at the old v.
        ("simultaneous", 1, 0.7, 2.1),
        # ... at the new v: .5 + .1 * 2.1.
        ("alternating", 1, 0.71, 2.1),
        # Three critic steps of +.1 each; the generator sees v before the last one, 2.2, or after it, 2.3.
        ("simultaneous", 3, 0.72, 2.3),
        ("alternating", 3, 0.73, 2.3),
    ],
)
def test_order_of_updates(update, critic_steps, u, v):
    got_u, got_v, metrics = play(bilinear(update=update, critic_steps=critic_steps), 1.5)
    assert (got_u, got_v) == (pytest.approx(u, abs=1e-6), pytest.approx(v, abs=1e-6))
    # Of the last critic update, d loss / d v = u - a = -1; and d/du (-v u) at the v the generator saw.
    assert metrics["gradient_norm/critic"] == pytest.approx(1.0, abs=1e-6)
    assert metrics["gradient_norm/generator"] == pytest.approx((u - 0.5) / 0.1, abs=1e-5)
    assert metrics["time/waiting"] == 0


def test_nan_is_kept_out_and_its_first_step_is_known():
    trainer = bilinear()
    u, v, _ = play(trainer, float("nan"), steps=3)
    assert np.isfinite([u, v]).all() and v == 2.0  # the critic's gradient was NaN, the generator's was not
    assert int(trainer.fault_step) == 0


def test_running_average():
    """d_0 = min(.5, 1/10): after the first step a = .5 + .9 (.7 - .5)."""
    trainer = bilinear()
    play(trainer, 1.5)
    assert float(trainer.average.trainable[0][0]) == pytest.approx(0.68, abs=1e-6)


def test_linear_decay_goes_on_where_training_does():
    """2 critic updates a step, 10 steps: at step 4 both rates are down to .6, with old optimizers or young ones."""
    trainer = bilinear(learning_rate_decay="linear", critic_steps=2)
    rates = [player.optimizer for player in trainer.players]
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.1, 0.1])
    trainer.go_on_from(4)
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.06, 0.06])
    play(trainer, 1.5)
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.05, 0.05])
    trainer.go_on_from(5)  # what a whole checkpoint of such a run restores
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.05, 0.05])
    trainer.go_on_from(20)
    assert [float(o.learning_rate) for o in rates] == [0, 0]


def test_power_iteration_goes_on_once_an_update_and_not_in_a_pass():
    """Three critic updates and one of the generator, with a penalty, at learning rates that leave the weights alone."""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), SpectralDense(4), keras.layers.Dense(2)])
    critic = keras.Sequential([keras.Input((2,)), SpectralDense(6), keras.layers.Dense(1)])
    settings = dict(dataset="given", model="given", strategy="local", latent_size=3, batch_size=4, critic_steps=3)
    config = Config(**settings, optimizer="sgd", learning_rate_g=1e-30, learning_rate_d=1e-30, steps=10)
    trainer = AdversarialTrainer(generator, critic, config, Noise(0, 0), 1)
    expected = []
    for model, updates in ((generator, 1), (critic, 3)):
        W, u = (v.numpy().astype(np.float64) for v in (model.layers[0].trainable_variables[0], model.layers[0].u))
        for _ in range(updates):
            u = W.T @ (W @ u)
        expected.append(u / np.linalg.norm(u))
    trainer.step(tf.constant(0, tf.int64), tf.ones([3 * 4, 2]))
    for model, u in zip((generator, critic), expected, strict=True):
        np.testing.assert_allclose(model.layers[0].u, u, atol=1e-5)
