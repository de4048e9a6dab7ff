"""The trainer on one learner, against steps by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scalar_nets import Constant, linear

from tfdgan import models
from tfdgan.config import Config
from tfdgan.models.spectral_norm import SpectralDense
from tfdgan.training.adversarial import AdversarialTrainer
from tfdgan.training.noise import Noise


def bilinear(**changes):
    """Generator u = 0.5, critic f(x) = v x with v = 2: critic loss v (u - a) at data a, generator loss -v u."""
    generator = keras.Sequential([keras.Input((3,)), Constant()])
    settings = dict(
        dataset="given", model="given", strategy="local", latent_size=3, batch_size=4, gradient_penalty=0,
        optimizer="sgd", critic_steps=1, learning_rate_g=0.1, learning_rate_d=0.1, steps=10, ema_decay=0.5,
    )  # fmt: skip
    return AdversarialTrainer(generator, linear(2.0), Config(**{**settings, **changes}), Noise(0, 0), 1)


def play(trainer, value, steps=1):
    """(u, v) after steps on data that is `value` everywhere."""
    config = trainer._config
    for step in range(steps):
        real = tf.fill([config.critic_steps * config.batch_size, 1], value)
        metrics = trainer.step(tf.constant(step, tf.int64), real)
    critic, generator = (float(player.values()[0].numpy().ravel()[0]) for player in trainer.players)
    return generator, critic, dict(zip(trainer.metrics, metrics.numpy(), strict=True))


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


def test_gradients_are_cut_to_a_norm():
    """Of norm 1 and 2: cut to .5, v moves .05 and u as much."""
    u, v, _ = play(bilinear(clip_norm=0.5), 1.5)
    assert (u, v) == (pytest.approx(0.55, abs=1e-6), pytest.approx(2.05, abs=1e-6))


def test_steps_in_one_call_are_steps_one_by_one():
    """Bit for bit, and their metrics' mean; another number of steps is no new trace."""
    one, many = bilinear(critic_steps=2), bilinear(critic_steps=2)
    data = tf.data.Dataset.from_tensor_slices(np.arange(6, dtype=np.float32)).map(lambda a: tf.fill([8, 1], a))
    metrics = [one.step(tf.constant(k, tf.int64), batch).numpy() for k, batch in enumerate(data)]
    batches = iter(data)
    for first, count in ((0, 4), (4, 2)):
        mean = many.steps(tf.constant(first, tf.int64), tf.constant(count, tf.int64), batches).numpy()
        np.testing.assert_allclose(mean, np.mean(metrics[first : first + count], axis=0), rtol=1e-12)
    for mine, theirs in zip(one.players, many.players, strict=True):
        np.testing.assert_array_equal(mine.values()[0], theirs.values()[0])
    assert many._game_steps.experimental_get_tracing_count() == many.step.experimental_get_tracing_count() == 1


def small_images(**changes):
    """A trainer on images of side 32, on one batch that is the same for all options."""
    settings = dict(
        dataset="given", model="resnet", width_g=4, width_d=4, latent_size=8, batch_size=4, critic_steps=2, steps=10,
        strategy="local", spectral_normalization="critic",
    )  # fmt: skip
    config = Config(**{**settings, **changes})
    classes = 3 if config.conditional else None
    trainer = AdversarialTrainer(*models.build(config, (32, 32, 3), classes), config, Noise(0, 0), 1)
    random = np.random.default_rng(0)
    samples = random.uniform(-1, 1, (config.critic_steps * 4, 32, 32, 3)).astype(np.float32)
    batch = (
        (samples, random.integers(3, size=config.critic_steps * 4).astype(np.int32)) if config.conditional else samples
    )
    metrics = trainer.step(tf.constant(0, tf.int64), tf.nest.map_structure(tf.constant, batch)).numpy()
    return trainer, dict(zip(trainer.metrics, metrics, strict=True))


@pytest.mark.slow
def test_xla_and_sixteen_bits_compute_the_same_game():
    """XLA to rounding errors; 16 bits as closely as two digits go through 30 layers and back twice."""
    plain, jit, half = (
        small_images(critic_steps=1, **changes)[1] for changes in ({}, {"jit": True}, {"precision": "bfloat16"})
    )
    for name in set(plain) - {"time/waiting"}:
        assert jit[name] == pytest.approx(plain[name], rel=1e-3, abs=1e-4), name
        assert half[name] == pytest.approx(plain[name], rel=0.25, abs=0.15), name
    assert half["loss/critic"] != plain["loss/critic"]


@pytest.mark.slow
def test_conditional_training_moves_the_tables_of_the_classes_it_saw():
    trainer, metrics = small_images(conditional=True)
    assert np.isfinite(list(metrics.values())).all()
    tables = [v.numpy() for v in trainer.generator.trainable_variables if v.shape[0] == 3 and len(v.shape) == 2]
    assert len(tables) == 12
    last = np.random.default_rng(0)
    last.uniform(-1, 1, (8, 32, 32, 3))
    seen = set(last.integers(3, size=8)[4:].tolist())  # the labels of the last critic batch
    for table in tables:
        moved = {row for row in range(3) if np.ptp(table[row]) > 1e-6}
        assert moved <= seen and moved


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
