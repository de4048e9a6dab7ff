"""The clipped-ratio trainer on one learner, against steps by hand and against the adversarial trainer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scalar_nets import Constant, linear, trainer_of, values_of

from tfdgan.cli.objects import make_trainer
from tfdgan.errors import UserError
from tfdgan.objectives import Wasserstein
from tfdgan.strategies import Player
from tfdgan.strategies.local import Local
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.tasks.latent_sampler import LatentSampler
from tfdgan.training.clipped_ratio import ClippedRatioTrainer, RatioClipping
from tfdgan.training.feed import LatentFeed
from tfdgan.training.game import Game
from tfdgan.training.noise import Noise

SETTINGS = dict(
    trainer="clipped_ratio", update="alternating", latent_size=3, batch_size=4, gradient_penalty=0, optimizer="sgd",
    critic_steps=1, generator_steps=1, learning_rate_g=0.1, learning_rate_d=0.1, learning_rate_c=0.1, steps=10,
    ema_decay=0.5,
)  # fmt: skip
NAMED = dict(dataset="gaussians", model="given", strategy="local")


def game_of(generator, critic, **changes):
    return trainer_of(generator, critic, **{**SETTINGS, **changes})


def constant():
    return keras.Sequential([keras.Input((3,)), Constant()])


def scalar_game(v=2.0, c=0.5, **changes):
    """Generator u = .5, critic f(x) = v x, classifier l(x) = c x."""
    trainer = game_of(constant(), linear(v), **changes)
    if changes.get("ratio_clipping", True):
        nets_of(trainer)["classifier"].set_weights([np.float32([[c]])])
    return trainer


def nets_of(trainer):
    return {player.name: player.model for player in trainer.players}


def step(trainer, number, real):
    figures = trainer.step(tf.constant(number, tf.int64), tf.constant(real))
    return {name: float(figure) for name, figure in figures.items()}


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


def small_pair(seed=5, dropout=0.0):
    keras.utils.set_random_seed(seed)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8), keras.layers.BatchNormalization()])
    generator.add(keras.layers.Dense(2))
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(dropout)])
    critic.add(keras.layers.Dense(1))
    return generator, critic


def real(number, size=8):
    return np.random.default_rng(number).standard_normal((size, 2)).astype(np.float32)


@pytest.mark.usefixtures("optimized_graphs")
def test_both_switches_off_are_the_wgan_gp_trainer_step_for_step():
    changes = dict(critic_steps=2, gradient_penalty=10.0, optimizer="oadam", learning_rate_decay="linear")
    ours = game_of(*small_pair(), **changes, ratio_clipping=False, sample_reweighting=False)
    theirs = game_of(*small_pair(), **changes, trainer="adversarial")
    assert list(nets_of(ours)) == ["critic", "generator"]
    for number in range(4):
        mine, other = step(ours, number, real(number)), step(theirs, number, real(number))
        assert {name: mine[name] for name in other} == other
        for group, variables in theirs.state.items():
            for a, b in zip(ours.state[group], variables, strict=True):
                np.testing.assert_array_equal(a, b)


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


@pytest.mark.parametrize("mode", ["paper", "released"])
@pytest.mark.parametrize("v, c", [(1e4, 1e4), (1e4, -1e4), (-1e4, 1e4)])
def test_extreme_scores_and_logits_are_no_fault(mode, v, c):
    """f = +-1e4 x and l = +-1e4 x at different samples x: weights on one sample, ratios at their bounds."""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    trainer = game_of(generator, linear(v), clip_mode=mode, learning_rate_c=1e4, learning_rate_g=1e-12)
    nets_of(trainer)["classifier"].set_weights([np.float32([[c]])])
    ratios = set()
    for number in range(4):
        got = step(trainer, number, real(number, 4)[:, :1])
        assert np.isfinite(list(got.values())).all()
        assert got["reweighting/effective_sample_size"] == pytest.approx(1, abs=1e-3)
        ratios.add(round(float(np.log(got["ratio/max"])), 3))
    assert 20.0 in ratios
    assert int(trainer.fault_step) == -1 and np.isfinite(values_of(trainer)["generator"])


@pytest.mark.usefixtures("optimized_graphs")
def test_adam_leaves_the_critics_free_constant_alone():
    """The gradient of the last bias is 1 - sum_i w_i. Were it a rounding error, Adam would make it a step."""
    changes = dict(optimizer="adam", batch_size=64, learning_rate_d=1e-2, ratio_clipping=False)
    trainer = game_of(*small_pair(), **changes)
    start = trainer.critic.get_weights()
    for number in range(20):
        got = step(trainer, number, real(number, 64))
    assert got["reweighting/effective_sample_size"] < 63
    np.testing.assert_array_equal(trainer.critic.get_weights()[-1], start[-1])
    assert np.abs(trainer.critic.get_weights()[0] - start[0]).max() > 1e-2


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


def test_a_generator_that_is_a_class_of_ones_own():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, latents):  # which need not ask whether it is training
            return self.dense(latents)

    generator = Own()
    generator(np.zeros((1, 3), np.float32))
    trainer = game_of(generator, linear(2.0))
    assert np.isfinite(list(step(trainer, 0, real(0, 4)[:, :1]).values())).all()
    variances = trainer.diagnose(1)
    assert len(variances) == 2 and min(variances.values()) > 0
    weights = generator.trainable_variables, generator.non_trainable_variables
    sampler = LatentSampler(generator, weights, latent_size=3, label="own")
    np.testing.assert_allclose(sampler(np.ones((2, 3), np.float32)), generator(np.ones((2, 3), np.float32)), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("changes, tolerance", [(dict(jit=True), 1e-3), (dict(precision="bfloat16"), 0.1)])
def test_xla_and_sixteen_bits_play_the_same_game(changes, tolerance):
    """Figures of a first step, of which losses are compared; XLA beside plain, 16 bits beside 32."""
    settings = SETTINGS | dict(strategy="local", dataset="digits", model="mlp", batch_size=16, width_g=8, width_d=8)
    batch, found = real(0, 16)[:, :2], []
    for options in (ImageOptions(**settings), ImageOptions(**settings, **changes)):
        task = ImageTask(options)
        found.append(step(make_trainer(options, task, *task.build_models((2,))), 0, batch))
    for name in ("loss/critic", "loss/generator", "loss/classifier", "ratio/mean"):
        assert found[1][name] == pytest.approx(found[0][name], abs=tolerance), name
    assert any(found[0][name] != found[1][name] for name in found[0])


def test_diagnosis_leaves_everything_as_it_was():
    trainer = game_of(*small_pair(dropout=0.5))
    step(trainer, 0, real(0, 4))
    before = [v.numpy() for group in trainer.state.values() for v in group]
    assert min(trainer.diagnose(1).values()) > 0
    for ours, then in zip([v.numpy() for group in trainer.state.values() for v in group], before, strict=True):
        np.testing.assert_array_equal(ours, then)


def test_labels_reach_all_three_nets():
    """A conditional pair whose nets see nothing but the label; each step is traced once."""

    def of_label(first, size):
        x, label = keras.Input((first,)), keras.Input((), dtype="int32")
        seen = keras.layers.Embedding(3, size)(label)
        return keras.Model([x, label], keras.layers.Add()([seen, keras.layers.Dense(size)(x)]))

    keras.utils.set_random_seed(0)
    trainer = game_of(of_label(3, 2), of_label(2, 1), conditional=True, generator_steps=2, critic_steps=2)
    before = {name: net.get_weights()[0].copy() for name, net in nets_of(trainer).items()}
    samples, labels = tf.constant(real(0)), tf.constant([0, 0, 1, 1] * 2)
    for number in range(2):
        trainer.step(tf.constant(number, tf.int64), (samples, labels))
    for function in (trainer.step, trainer._critic_update, trainer._inner_update, trainer._surrogate_gradients._whole):
        assert function.experimental_get_tracing_count() == 1
    for name, net in nets_of(trainer).items():
        moved = np.abs(net.get_weights()[0] - before[name]).max(axis=1)
        assert (moved > 0).tolist() == [True, True, False], name
    assert len(found := trainer.diagnose(2)) == 2 and np.isfinite(list(found.values())).all()


def test_the_classifier_is_the_critics_net_with_weights_of_its_own():
    _, critic = small_pair()
    task = ImageTask(ImageOptions(**NAMED, **SETTINGS), constant(), critic)
    first, second = (task.build_classifier(critic) for _ in range(2))
    assert [v.shape for v in first.variables] == [v.shape for v in critic.variables]
    assert np.abs(first.get_weights()[0] - critic.get_weights()[0]).max() > 1e-2
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


def test_a_critic_that_cannot_be_made_anew_is_refused():
    class Own(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    with pytest.raises(UserError, match="^ratio_clipping: the critic cannot be made anew"):
        game_of(constant(), Own(1))


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(objective="hinge"), "--objective=hinge: --trainer=clipped_ratio multiplies scores"),
        (dict(update="simultaneous"), "needs --update=alternating, not simultaneous"),
        (dict(mix_after="update"), "--mix_after=update: would mix the classifier in the middle of a ratio"),
        (dict(clip_epsilon=1.0), "--clip_epsilon=1.0: must be below 1"),
        (dict(reweighting_temperature=0.0), "--reweighting_temperature=0.0: must be above 0"),
        (dict(strategy="dposg", optimizer="sgd"), "--strategy=dposg"),
    ],
)
def test_settings_that_are_refused(changes, words):
    with pytest.raises(UserError) as caught:
        ImageOptions(**{**NAMED, **SETTINGS, **changes})
    assert words in caught.value.as_flags()


def test_flags_of_a_switch_that_is_off_have_no_effect():
    changes = dict(clip_epsilon=0.2, clip_mode="released", generator_steps=3, reweighting_temperature=2.0)
    assert set(ImageOptions(**{**NAMED, **SETTINGS, **changes}).without_effect()) == set()
    off = ImageOptions(**{**NAMED, **SETTINGS, **changes, "ratio_clipping": False, "sample_reweighting": False})
    assert off.without_effect() == ["clip_epsilon", "clip_mode", "learning_rate_c", "reweighting_temperature"]
    plain = ImageOptions(**{**NAMED, **SETTINGS, **changes, "trainer": "adversarial"})
    assert {"generator_steps", "clip_mode", "learning_rate_c"} <= set(plain.without_effect())
