"""The clipped-ratio trainer's games: beside the adversarial trainer's, of every kind of net; refused settings."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from clipped_games import NAMED, SETTINGS, constant, game_of, nets_of, real, small_pair, step
from scalar_nets import linear, values_of

from tfdgan.cli.objects import make_trainer
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.tasks.latent_sampler import LatentSampler


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
    assert off.without_effect() == {
        **dict.fromkeys(("clip_epsilon", "clip_mode", "learning_rate_c", "ratio"), "--noratio_clipping"),
        "reweighting_temperature": "--nosample_reweighting",
    }
    plain = ImageOptions(**{**NAMED, **SETTINGS, **changes, "trainer": "adversarial"})
    assert {"generator_steps", "clip_mode", "learning_rate_c"} <= set(plain.without_effect())
