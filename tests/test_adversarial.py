"""The trainer on one learner, against steps by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scalar_nets import Constant, linear, trainer_of, values_of

from tfdgan.cli.objects import make_trainer
from tfdgan.models.spectral_norm import SpectralDense
from tfdgan.objectives import Wasserstein
from tfdgan.strategies import Player
from tfdgan.strategies.local import Local
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.training.adversarial import AdversarialTrainer
from tfdgan.training.feed import LatentFeed
from tfdgan.training.game import Game
from tfdgan.training.noise import Noise

BATCH = 4


def bilinear(**changes):
    """Generator u = 0.5, critic f(x) = v x with v = 2: critic loss v (u - a) at data a, generator loss -v u."""
    settings = dict(
        latent_size=3, batch_size=BATCH, gradient_penalty=0, optimizer="sgd", critic_steps=1, learning_rate_g=0.1,
        learning_rate_d=0.1, steps=10, ema_decay=0.5,
    )  # fmt: skip
    return trainer_of(*bilinear_nets(), **{**settings, **changes})


def bilinear_nets():
    return keras.Sequential([keras.Input((3,)), Constant()]), linear(2.0)


def play(trainer, value, steps=1):
    """(u, v, the last figures) after steps on data that is `value` everywhere."""
    for step in range(steps):
        figures = trainer.step(tf.constant(step, tf.int64), tf.fill([trainer.batches_a_step * BATCH, 1], value))
    found = values_of(trainer)
    return found["generator"], found["critic"], {name: float(figure) for name, figure in figures.items()}


def test_a_trainer_made_of_objects_is_the_one_that_options_make():
    generator, critic = bilinear_nets()
    players = [
        Player("critic", critic, keras.optimizers.SGD(0.1), updates=2),
        Player("generator", generator, keras.optimizers.SGD(0.1)),
    ]
    game = Game(Wasserstein(), LatentFeed(3), Noise(0, 0), BATCH, gradient_penalty=3.0)
    ours = AdversarialTrainer(players, Local(players), game, update="alternating", ema_decay=0.5)
    theirs = bilinear(update="alternating", critic_steps=2, gradient_penalty=3.0)
    assert play(ours, 1.5, steps=3) == play(theirs, 1.5, steps=3)
    assert {name: len(group) for name, group in ours.state.items()} == {
        name: len(group) for name, group in theirs.state.items()
    }


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
    got_u, got_v, figures = play(bilinear(update=update, critic_steps=critic_steps), 1.5)
    assert (got_u, got_v) == (pytest.approx(u, abs=1e-6), pytest.approx(v, abs=1e-6))
    # Of the last critic update, d loss / d v = u - a = -1; and d/du (-v u) at the v the generator saw.
    assert figures["gradient_norm/critic"] == pytest.approx(1.0, abs=1e-6)
    assert figures["gradient_norm/generator"] == pytest.approx((u - 0.5) / 0.1, abs=1e-5)
    assert figures["time/waiting"] == 0


def test_gradients_are_cut_to_a_norm():
    """Of norm 1 and 2: cut to .5, v moves .05 and u as much."""
    u, v, _ = play(bilinear(clip_norm=0.5), 1.5)
    assert (u, v) == (pytest.approx(0.55, abs=1e-6), pytest.approx(2.05, abs=1e-6))


def test_steps_in_one_call_are_steps_one_by_one():
    """Bit for bit, and their figures' mean; another number of steps is no new trace."""
    one, many = bilinear(critic_steps=2), bilinear(critic_steps=2)
    data = tf.data.Dataset.from_tensor_slices(np.arange(6, dtype=np.float32)).map(lambda a: tf.fill([8, 1], a))
    single = [one.step(tf.constant(k, tf.int64), batch) for k, batch in enumerate(data)]
    batches = iter(data)
    for first, count in ((0, 4), (4, 2)):
        means = many.steps(first, count, batches)
        assert means.keys() == single[0].keys()
        for name, mean in means.items():
            expected = np.mean([figures[name] for figures in single[first : first + count]])
            np.testing.assert_allclose(mean, expected, rtol=1e-12, err_msg=name)
    for mine, theirs in zip(one.players, many.players, strict=True):
        np.testing.assert_array_equal(mine.values()[0], theirs.values()[0])
    assert many._game_steps.experimental_get_tracing_count() == many.step.experimental_get_tracing_count() == 1


def small_images(**changes):
    """A trainer on images of side 32 or `image_size`, on one batch that is the same for all options."""
    settings = dict(
        dataset="digits", model="resnet", width_g=4, width_d=4, latent_size=8, batch_size=4, critic_steps=2, steps=10,
        strategy="local", spectral_normalization="critic",
    )  # fmt: skip
    options = ImageOptions(**{**settings, **changes})
    task = ImageTask(options)
    side = options.form.size[0] if options.form.size else 32
    trainer = make_trainer(options, task, *task.build_models((side, side, 3), classes=3))
    random, count = np.random.default_rng(0), trainer.batches_a_step * 4
    samples = random.uniform(-1, 1, (count, side, side, 3)).astype(np.float32)
    batch = (samples, random.integers(3, size=count).astype(np.int32)) if options.conditional else samples
    figures = trainer.step(tf.constant(0, tf.int64), tf.nest.map_structure(tf.constant, batch))
    return trainer, {name: float(figure) for name, figure in figures.items()}


@pytest.mark.slow
@pytest.mark.parametrize("game", [dict(gradient_penalty=0.0), dict(model="dcgan", image_size=8, width_g=8, width_d=8)])
def test_xla_and_sixteen_bits_compute_the_same_game(game):
    """XLA to rounding errors, 16 bits as closely as two digits go through many layers: spectral norm in the deep net,
    the penalty's second derivative in the small one."""
    plain, jit, half = (
        small_images(critic_steps=1, **game, **changes)[1] for changes in ({}, {"jit": True}, {"precision": "bfloat16"})
    )
    for name in set(plain) - {"time/waiting"}:
        assert jit[name] == pytest.approx(plain[name], rel=1e-3, abs=1e-4), name
        assert half[name] == pytest.approx(plain[name], rel=0.25, abs=0.15), name
    assert half["loss/critic"] != plain["loss/critic"]


@pytest.mark.slow
def test_conditional_training_moves_the_tables_of_the_classes_it_saw():
    trainer, figures = small_images(conditional=True)
    assert np.isfinite(list(figures.values())).all()
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
    trainer.continue_from(4)
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.06, 0.06])
    play(trainer, 1.5)
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.05, 0.05])
    trainer.continue_from(5)  # what a whole checkpoint of such a run restores
    assert [float(o.learning_rate) for o in rates] == pytest.approx([0.05, 0.05])
    trainer.continue_from(20)
    assert [float(o.learning_rate) for o in rates] == [0, 0]


def test_power_iteration_goes_on_once_an_update_and_not_in_a_pass():
    """Three critic updates and one of the generator, with a penalty, at learning rates that leave the weights alone."""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), SpectralDense(4), keras.layers.Dense(2)])
    critic = keras.Sequential([keras.Input((2,)), SpectralDense(6), keras.layers.Dense(1)])
    rates = dict(optimizer="sgd", learning_rate_g=1e-30, learning_rate_d=1e-30)
    trainer = trainer_of(generator, critic, latent_size=3, batch_size=4, critic_steps=3, steps=10, **rates)
    expected = []
    for model, updates in ((generator, 1), (critic, 3)):
        W, u = (v.numpy().astype(np.float64) for v in (model.layers[0].trainable_variables[0], model.layers[0].u))
        for _ in range(updates):
            u = W.T @ (W @ u)
        expected.append(u / np.linalg.norm(u))
    trainer.step(tf.constant(0, tf.int64), tf.ones([3 * 4, 2]))
    for model, u in zip((generator, critic), expected, strict=True):
        np.testing.assert_allclose(model.layers[0].u, u, atol=1e-5)
