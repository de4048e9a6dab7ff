"""The clipped-ratio trainer on one learner, against steps by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from clipped_games import NAMED, SETTINGS, constant, game_of, nets_of, real, scalar_game, small_pair, step
from scalar_nets import linear, values_of

from tfdgan.objectives import Wasserstein
from tfdgan.strategies import Player
from tfdgan.strategies.local import Local
from tfdgan.tasks import ImageOptions
from tfdgan.training.clipped_ratio import ClippedRatioTrainer, RatioClipping
from tfdgan.training.feed import LatentFeed
from tfdgan.training.game import Game
from tfdgan.training.noise import Noise


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(u, v, c, a, **changes):
    """A step of the game at real data a, in NumPy; the last inner step's ratio as well."""
    options = ImageOptions(**{**NAMED, **SETTINGS, **changes})
    for _ in range(options.critic_steps):
        v -= options.learning_rate_d * (u - a)  # d/dv (v u - v a); equal samples have equal weights
    old = c
    for _ in range(options.generator_steps):
        c -= options.learning_rate_c * (-a * sigmoid(-c * a) + u * sigmoid(c * u))
        f, r, e = v * u, np.exp(old * u - c * u), options.clip_epsilon
        through_r = v * u * (old - c) * r  # f dr/du
        if options.clip_mode == "paper":
            unclipped = r * f <= np.clip(r, 1 - e, 1 + e) * f
            held = np.clip(r, 1 - e, 1 + e)
        else:
            unclipped, held = r <= 1 + e, 1 + e
        u += options.learning_rate_g * (r * v + through_r if unclipped else held * v)
    return u, v, c, r


@pytest.mark.parametrize("mode", ["paper", "released"])
@pytest.mark.parametrize("v", [2.0, -2.0])  # f > 0 and f < 0
@pytest.mark.parametrize(
    "c, rate, low, high",
    [(0.5, 0.1, 0.6, 1.4), (0.5, 8.0, 0.0, 0.6), (4.0, 2.0, 1.4, np.inf)],
    ids=["r_near_1", "r_small", "r_large"],
)
def test_steps_by_hand(mode, v, c, rate, low, high):
    """Two critic updates, then three times C and G: C_old stays that of the beginning, both C at the same x."""
    changes = dict(critic_steps=2, generator_steps=3, learning_rate_g=0.02, clip_mode=mode, learning_rate_c=rate)
    trainer = scalar_game(v, c, **changes)
    u = 0.5
    for number in range(2):
        u, v, c, r = by_hand(u, v, c, 1.5, **changes)
        assert number or low < r < high
        step(trainer, number, np.full((8, 1), 1.5, np.float32))
        assert values_of(trainer) == pytest.approx(dict(generator=u, critic=v, classifier=c), rel=2e-5, abs=1e-6)


def test_a_trainer_made_of_objects_is_the_one_that_options_make():
    sgd, (classifier, critic, generator) = keras.optimizers.SGD, (linear(0.5), linear(2.0), constant())
    players = [Player("critic", critic, sgd(0.1)), Player("generator", generator, sgd(0.1), updates=3)]
    players.append(Player("classifier", classifier, sgd(8.0), updates=3))
    ours = ClippedRatioTrainer(
        players,
        Local(players),
        Game(Wasserstein(), LatentFeed(3), Noise(0, 0), 4, gradient_penalty=0),
        clipping=RatioClipping(0.3, "released", center_scores=True),
        reweighting_temperature=0.5,
        ema_decay=0.5,
    )
    changes = dict(clip_epsilon=0.3, clip_mode="released", center_scores=True, reweighting_temperature=0.5)
    theirs = scalar_game(**changes, generator_steps=3, learning_rate_c=8.0)
    for number in range(2):
        batch = np.full((4, 1), 1.5, np.float32)
        assert step(ours, number, batch) == step(theirs, number, batch)
        assert values_of(ours) == values_of(theirs)


@pytest.mark.parametrize("reweighting", [True, False])
def test_a_relativistic_step_by_hand(reweighting):
    """Critic: log(1 + exp(v (u - a))). Generator: r times -log(1 + exp(v (a - u))), r within its bounds."""
    trainer = scalar_game(objective="relativistic", sample_reweighting=reweighting)
    u, v, c, a = 0.5, 2.0, 0.5, 1.5
    got = step(trainer, 0, np.full((4, 1), a, np.float32))
    assert got["loss/critic"] == pytest.approx(np.log1p(np.exp(v * (u - a))), rel=1e-5)
    v -= 0.1 * (u - a) * sigmoid(v * (u - a))
    old, c = c, c - 0.1 * (-a * sigmoid(-c * a) + u * sigmoid(c * u))
    r, payoff = np.exp(old * u - c * u), -np.log1p(np.exp(v * (a - u)))
    assert 0.6 < r < 1.4 and got["loss/generator"] == pytest.approx(-r * payoff, rel=1e-5)
    u += 0.1 * r * (v * sigmoid(v * (a - u)) + payoff * (old - c))
    assert values_of(trainer) == pytest.approx(dict(generator=u, critic=v, classifier=c), rel=2e-5)


def test_without_clipping_it_is_the_relativistic_loss():
    trainer = scalar_game(objective="relativistic", ratio_clipping=False)
    got = step(trainer, 0, np.full((4, 1), 1.5, np.float32))
    v = 2.0 + 0.1 * sigmoid(-2.0)
    assert got["loss/generator"] == pytest.approx(np.log1p(np.exp(v)), rel=1e-5)


def test_figures_by_hand():
    trainer = scalar_game(sample_reweighting=True)
    got = step(trainer, 0, np.full((4, 1), 1.5, np.float32))
    u, v, c, r = by_hand(0.5, 2.0, 0.5, 1.5)
    assert got["ratio/mean"] == got["ratio/max"] == pytest.approx(r, rel=1e-6)
    assert got["ratio/clip_fraction"] == 0 and got["critic/mean_score"] == pytest.approx(v * 0.5)
    assert got["loss/generator"] == pytest.approx(-r * v * 0.5, rel=1e-6)
    assert got["loss/classifier"] == pytest.approx(np.log1p(np.exp(-0.75)) + np.log1p(np.exp(0.25)), rel=1e-6)
    assert got["classifier/accuracy"] == 0.5  # positive logits for all: the real ones are right
    assert got["reweighting/effective_sample_size"] == pytest.approx(4)
    assert got["gradient_norm/critic"] == pytest.approx(1)


def test_the_ratio_is_one_while_the_classifier_has_not_moved():
    trainer = scalar_game(learning_rate_c=1e-30, generator_steps=4)
    got = step(trainer, 0, np.full((4, 1), 1.5, np.float32))
    assert got["ratio/mean"] == got["ratio/max"] == 1 and got["ratio/clip_fraction"] == 0


def test_moving_statistics_of_the_classifier_are_no_move():
    """Only its weights count: both logits are taken under the same statistics."""
    critic = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(momentum=0.5)])
    critic.add(keras.layers.Dense(1))
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    trainer = game_of(generator, critic, learning_rate_c=1e-30, generator_steps=4)
    got = step(trainer, 0, real(0, 4)[:, :1])
    assert got["ratio/mean"] == got["ratio/max"] == 1
    assert nets_of(trainer)["classifier"].get_weights()[2] != 0  # the moving mean


def test_centred_scores():
    """Every sample has the same score: centred they are 0, so only the score's own gradient is left, with r."""
    trainer = scalar_game(center_scores=True)
    _, v, _, r = by_hand(0.5, 2.0, 0.5, 1.5)
    step(trainer, 0, np.full((4, 1), 1.5, np.float32))
    assert values_of(trainer)["generator"] == pytest.approx(0.5 + 0.1 * r * v, rel=1e-6)


def test_the_reweighted_update_is_a_step_down_logsumexp():
    trainer = game_of(*small_pair(), reweighting_temperature=0.5, ratio_clipping=False)
    generator, critic = small_pair()
    fake = generator(Noise(0, 0).normal([4, 3], "critic latents", 0), training=True)
    with tf.GradientTape() as tape:
        loss = 0.5 * tf.reduce_logsumexp(critic(fake) / 0.5) - tf.reduce_mean(critic(real(0, 4)))
    gradients = tape.gradient(loss, critic.trainable_variables)
    step(trainer, 0, real(0, 4))
    for ours, start, gradient in zip(
        trainer.critic.trainable_variables, critic.trainable_variables, gradients, strict=True
    ):
        np.testing.assert_allclose(ours, start - 0.1 * gradient, rtol=1e-5, atol=1e-6)


def test_the_classifiers_gradient_is_cut():
    """d loss / d c = -.2 or so: cut to .01, a step of .1 is .001."""
    trainer = scalar_game(clip_norm_c=0.01)
    step(trainer, 0, np.full((4, 1), 1.5, np.float32))
    assert values_of(trainer)["classifier"] == pytest.approx(0.501, abs=1e-6)


def test_variance_of_the_critics_gradient_by_hand():
    """f(x) = v x: a batch's gradient is its mean, or weighted mean; between four batches."""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    got = game_of(generator, linear(2.0)).diagnose(5)
    x = [generator(Noise(0, 0).normal([4, 3], "diagnosis latents", 20 + k)).numpy()[:, 0] for k in range(4)]
    weighted = [np.sum(np.exp(2 * k) / np.exp(2 * k).sum() * k) for k in x]
    reweighted, plain = np.var(weighted, ddof=1), np.var([k.mean() for k in x], ddof=1)
    expected = {"gradient_variance/reweighted": reweighted, "gradient_variance/plain": plain}
    assert got == pytest.approx(expected, rel=1e-4)
