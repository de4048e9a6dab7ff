"""The paired ratio, a twin's steps, and weights that follow the scores' scale: by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scalar_nets import Constant, linear, trainer_of, values_of

from tfdgan import objectives
from tfdgan.cli.objects import make_trainer
from tfdgan.objectives import reweighting
from tfdgan.optimizers import OptimisticAdam
from tfdgan.optimizers import choice as optimizers
from tfdgan.optimizers.twins import twin_of
from tfdgan.strategies import Player
from tfdgan.strategies.local import Local
from tfdgan.training.feed import LatentFeed
from tfdgan.training.gradients import Gradients
from tfdgan.training.noise import Noise
from tfdgan.training.ratio_classifier import RatioClassifier, RatioClipping
from tfdgan.training.twin import Twin

SETTINGS = dict(
    trainer="clipped_ratio", update="alternating", latent_size=3, batch_size=4, gradient_penalty=0, optimizer="sgd",
    critic_steps=1, generator_steps=3, learning_rate_g=0.1, learning_rate_d=0.1, learning_rate_c=1.0, steps=10,
    ema_decay=0.5,
)  # fmt: skip


def scalar_game(v=2.0, c=0.5, **changes):
    """Generator u = .5, critic f(x) = v x, classifier l(x) = c x."""
    generator = keras.Sequential([keras.Input((3,)), Constant()])
    trainer = trainer_of(generator, linear(v), **{**SETTINGS, **changes})
    trainer.players[-1].model.set_weights([np.float32([[c]])])
    return trainer


def step(trainer, number, real):
    figures = trainer.step(tf.constant(number, tf.int64), tf.constant(real))
    return {name: float(figure) for name, figure in figures.items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(u, v, c, a, rate_c=1.0, rate=0.1, updates=3, epsilon=0.4):
    """A step at real data a: the twin sees the generator at its old place u_old; the ratios as well."""
    v -= rate * (u - a)
    twin, old, ratios = c, u, []
    for _ in range(updates):
        twin -= rate_c * (-a * sigmoid(-twin * a) + old * sigmoid(twin * old))
        c -= rate_c * (-a * sigmoid(-c * a) + u * sigmoid(c * u))
        f, r = v * u, np.exp((twin - c) * u)
        ratios.append(r)
        unclipped = r * f <= np.clip(r, 1 - epsilon, 1 + epsilon) * f
        u += rate * (r * v + f * (twin - c) * r if unclipped else np.clip(r, 1 - epsilon, 1 + epsilon) * v)
    return u, v, c, ratios


@pytest.mark.parametrize("v, c", [(2.0, 0.5), (-2.0, 4.0)])
def test_steps_by_hand(v, c):
    trainer, u = scalar_game(v, c), 0.5
    for number in range(2):
        u, v, c, ratios = by_hand(u, v, c, 1.5)
        got = step(trainer, number, np.full((4, 1), 1.5, np.float32))
        assert ratios[0] == 1 and abs(np.log(ratios[-1])) > 1e-3
        assert values_of(trainer) == pytest.approx(dict(generator=u, critic=v, classifier=c), rel=2e-5, abs=1e-6)
        assert got["ratio/mean"] == pytest.approx(np.mean(ratios), rel=1e-5)
        assert got["ratio/max"] == pytest.approx(max(ratios), rel=1e-5)


def still_game(**changes):
    """The generator stands still; it and the classifier have batch norm and dropout."""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    generator.add(keras.layers.Dropout(0.5))
    generator.add(keras.layers.Dense(2))
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.5)])
    if changes.pop("norm", True):
        critic.add(keras.layers.BatchNormalization())
    critic.add(keras.layers.Dense(1))
    return trainer_of(generator, critic, **{**SETTINGS, "learning_rate_g": 1e-30, "optimizer": "oadam", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict(classifier_batches="separate"),
        dict(second_moment="split_batch"),
        dict(second_moment="split_batch", classifier_batches="separate", norm=False),
        dict(jit=True),
    ],
    ids=["joint", "separate", "split_batch", "split_batch-separate", "jit"],
)
def test_what_the_classifier_learns_is_no_move_of_the_generator(changes):
    """Single finds a move where there is none, paired finds none: classifier and twin see the same dropout."""
    real = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    for ratio, moves in (("single", True), ("paired", False)):
        trainer = still_game(ratio=ratio, **changes)
        for number in range(2):
            got = step(trainer, number, real)
            found = [got["ratio/max"], got["ratio/mean"]]
            assert (found != pytest.approx([1, 1], abs=0.02 if moves else 1e-5)) == moves
        assert trainer.step.experimental_get_tracing_count() == 1


def test_exponents_end_at_three():
    trainer = scalar_game(learning_rate_c=1e4, learning_rate_g=10.0)
    got = [step(trainer, number, np.full((4, 1), 1.5, np.float32)) for number in range(3)]
    assert max(np.log(figures["ratio/max"]) for figures in got) == pytest.approx(3.0, rel=1e-6)


class Listening(Constant):
    """Keeps the latents that it is called with."""

    def call(self, latents):
        if tf.executing_eagerly():
            self.heard.append(latents.numpy().tobytes())
        return super().call(latents)


@pytest.mark.parametrize("ratio", ["single", "paired"])
@pytest.mark.parametrize("latents, a_step", [("fresh", 1 + 3 + 3), ("reused", 1 + 1)])
def test_inner_updates_share_latents_or_each_draws_its_own(latents, a_step, ratio):
    """One critic update, three of C and three of the generator; the next step's are others."""
    layer = Listening()
    tf.config.run_functions_eagerly(True)
    try:
        generator = keras.Sequential([keras.Input((3,)), layer])
        trainer = trainer_of(generator, linear(2.0), **{**SETTINGS, "ratio": ratio, "inner_latents": latents})
        layer.heard = []
        for number in range(2):
            step(trainer, number, np.full((4, 1), 1.5, np.float32))
            assert len(set(layer.heard)) == a_step * (number + 1)
    finally:
        tf.config.run_functions_eagerly(False)


def test_a_gradient_that_is_no_number_does_not_move_the_twin():
    classifier = Player("classifier", linear(2.0), keras.optimizers.SGD(0.1))
    ratio = RatioClassifier(classifier, LatentFeed(1), RatioClipping(paired=True))
    twin = Twin(classifier, ratio, Local([classifier]))
    twin.begin()
    assert bool(twin.apply(Gradients([tf.constant([[3.0]])], tf.constant(0.0), {})).finite)
    assert float(twin.values()[0][0, 0]) == pytest.approx(2.0 - 0.1 * 3)
    assert not bool(twin.apply(Gradients([tf.constant([[np.nan]])], tf.constant(0.0), {})).finite)
    assert float(twin.values()[0][0, 0]) == pytest.approx(2.0 - 0.1 * 3)
    twin.begin()
    assert float(twin.values()[0][0, 0]) == 2.0 and twin.bytes_a_step() == 0


@pytest.mark.parametrize("second_moment", ["own", "split_batch"])
def test_a_twin_of_an_optimizer_steps_alike(second_moment):
    """With the same slots, at a rate that decays, clipped: bit for bit; and it hears of the learners' number."""
    made = optimizers.make(
        "oadam", 0.1, beta_1=0.5, beta_2=0.9, clip_norm=1.0, decay_updates=10, second_moment=second_moment
    )
    twin = twin_of(made)
    assert isinstance(twin, OptimisticAdam) and twin is not made
    variables = [keras.Variable([1.0, -2.0]) for _ in range(2)]
    for optimizer, variable in zip((made, twin), variables, strict=True):
        optimizer.build([variable])
    made.learners = 4.0
    assert twin.learners == 4.0
    for number in range(3):
        gradient = tf.constant([3.0, float(number)])
        for optimizer, variable in zip((made, twin), variables, strict=True):
            noise = {"noise": [tf.constant([0.5, 0.1])]} if second_moment == "split_batch" else {}
            optimizer.apply([gradient], [variable], **noise)
        np.testing.assert_array_equal(*variables)
    assert abs(float(variables[0][0]) - 1.0) > 0.05


def test_weights_by_a_spread_by_hand():
    """Scores 1 and 3: std 1; at spread .5 the exponents are .5 and 1.5. Scale and shift change nothing."""
    for scale, shift in ((1, 0), (100, -7), (1e-3, 5), (1e30, 0)):
        scores = tf.constant([[1.0], [3.0]]) * scale + shift
        weights = objectives.sample_weights(scores, spread=0.5)
        assert weights.shape == (2, 1)
        np.testing.assert_allclose(weights[:, 0], [1 / (1 + np.e), np.e / (1 + np.e)], rtol=1e-3)
    for spread in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"^spread is {spread}; give a number above 0, or None for a temp"):
            objectives.sample_weights(scores, spread=spread)
    with pytest.raises(ValueError, match="^fake_scores are of type int32; give floats"):
        objectives.sample_weights([1, 3], spread=0.5)


def test_weights_by_a_spread_have_no_gradient():
    scores = tf.constant([1.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        weighted = tf.reduce_sum(objectives.sample_weights(scores, spread=0.5) * tf.constant([1.0, -1.0]))
    assert tape.gradient(weighted, scores) is None


def test_equal_scores_have_equal_weights():
    for value in (0.0, 0.1, 1e4):
        weights = objectives.sample_weights(tf.fill([7], value), spread=0.5)
        np.testing.assert_allclose(weights, np.full(7, 1 / 7), rtol=1e-2)


def test_a_spread_of_a_half_keeps_three_quarters_of_the_batch():
    """exp(-.25) = .78 for many Gaussian scores of any scale."""
    for scale in (0.01, 1.0, 100.0):
        weights = objectives.sample_weights(scale * tf.random.stateless_normal([100_000], [0, 1]), spread=0.5)
        assert float(objectives.effective_sample_size(weights)) / 1e5 == pytest.approx(np.exp(-0.25), abs=0.01)


def test_moments_of_batches_taken_as_one():
    """And a batch that is no number is its learner's fault alone."""
    batches = np.random.default_rng(0).standard_normal((3, 50)) * [[1], [2], [3]] + [[0], [5], [9]]
    each = [(b.mean(), b.var()) for b in batches] + [(np.nan, 1.0), (0.0, np.inf)]
    mean, variance = reweighting.moments_together(*(tf.constant(x) for x in zip(*each, strict=True)))
    assert float(mean) == pytest.approx(batches.mean()) and float(variance) == pytest.approx(batches.var())


@pytest.mark.parametrize("second_moment", ["own", "split_batch"])
def test_the_critic_weighs_by_the_spread(second_moment):
    """f(x) = 2 x at four generated samples of a net that stays: the shares by NumPy, whatever the temperature."""
    found = set()
    for scale in (1.0, 10.0):
        keras.utils.set_random_seed(0)
        generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        critic = linear(2.0 * scale)
        still = dict(learning_rate_d=1e-30, learning_rate_g=1e-30, optimizer="oadam", ratio_clipping=False)
        weighed = dict(reweighting_spread=0.5, second_moment=second_moment)
        trainer = trainer_of(generator, critic, **{**SETTINGS, **still, **weighed})
        scores = 2 * generator(Noise(0, 0).normal([4, 3], "critic latents", 0)).numpy()[:, 0]
        w = np.exp(0.5 * scores / scores.std())
        w /= w.sum()
        got = step(trainer, 0, np.zeros((4, 1), np.float32))
        assert got["reweighting/effective_share"] == pytest.approx(1 / np.square(w).sum() / 4, rel=1e-4)
        assert got["loss/critic"] == pytest.approx(scale * np.sum(w * scores), rel=1e-4)
        found.add(round(got["reweighting/effective_share"], 4))
    assert len(found) == 1 and 0.5 < found.pop() < 0.95


def test_a_classifier_of_separate_batches_by_hand():
    """Batch norm without scale and shift, then l = k x: each kind normalised by itself, or both together."""
    real = np.float32([[3.0], [5.0], [9.0], [11.0]])
    for kind in ("joint", "separate"):
        keras.utils.set_random_seed(0)
        norm = keras.layers.BatchNormalization(center=False, scale=False, epsilon=1e-6)
        critic = keras.Sequential([keras.Input((1,)), norm, keras.layers.Dense(1, use_bias=False)])
        generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        trainer = trainer_of(generator, critic, **{**SETTINGS, "classifier_batches": kind, "generator_steps": 1})
        k = float(trainer.players[-1].model.trainable_variables[0][0, 0])
        fake = generator(Noise(0, 0).normal([4, 3], "classifier latents", 0)).numpy()
        batches = [np.concatenate([real, fake])] * 2 if kind == "joint" else [real, fake]
        l_real, l_fake = (k * (x - b.mean()) / b.std() for x, b in zip((real, fake), batches, strict=True))
        want = np.log1p(np.exp(-l_real)).mean() + np.log1p(np.exp(l_fake)).mean()
        assert step(trainer, 0, real)["loss/classifier"] == pytest.approx(want, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        dict(task="text", dataset="oracle", vocabulary_size=20, sentence_length=4, corpus_size=64,
             model="relational_memory", width_g=4, representations=4, width_d=4, embedding_size=4),
        dict(task="style_transfer", dataset="toy_styles", corpus_size=64, model="style_transfer", width_g=8,
             style_size=4, width_d=4, embedding_size=4),
    ],
    ids=["text", "style_transfer"],
)  # fmt: skip
def test_the_generator_that_stands_still_has_not_moved_for_sentences_either(changes, tmp_path):
    """Gumbel noise, dropout and the rewriter's wanted styles are the same for the classifier and the twin."""
    from tfdgan.cli.config import config_class
    from tfdgan.tasks import names

    settings = dict(
        workdir=str(tmp_path), strategy="local", trainer="clipped_ratio", update="alternating", batch_size=4,
        critic_steps=1, generator_steps=2, ratio="paired", learning_rate_g=1e-30, learning_rate_c=1e-2, steps=10,
    )  # fmt: skip
    options = config_class(changes["task"])(**{**settings, **changes})
    task = names.task_class(options.task)(options)
    source = task.source(0, 1)
    nets = task.build_models(source.sample_shape, source.classes)
    trainer = make_trainer(options, task, *nets)
    trainer.reset()
    batches = iter(source.stream(4, 0, 0, labelled=task.labelled))
    for number in range(2):
        got = {name: float(x) for name, x in trainer.step(tf.constant(number, tf.int64), next(batches)).items()}
        assert got["ratio/max"] == pytest.approx(1, abs=1e-5) and got["ratio/mean"] == pytest.approx(1, abs=1e-5)
    assert trainer.step.experimental_get_tracing_count() == 1
