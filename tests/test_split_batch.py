"""The split batch in the trainers: it changes no gradient, and measures their noise at the updates that ask for it."""

import numpy as np
import pytest
import tensorflow as tf

import tfdgan
from tfdgan.cli.objects import make_trainer
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, ImageTask, StyleTransferOptions, StyleTransferTask, TextOptions, TextTask

pytestmark = pytest.mark.filterwarnings("ignore:tfdgan.start")

SPLIT = dict(second_moment="split_batch")
# So small that nobody moves before the others' gradients are taken.
STILL = dict(learning_rate_g=1e-12, learning_rate_d=1e-12)
CLIPPED = dict(trainer="clipped_ratio", update="alternating", generator_steps=2, learning_rate_c=1e-12)
SENTENCES = dict(
    embedding_size=4, width_g=6, width_d=4, batch_size=4, critic_steps=2, steps=10, corpus_size=20, beta_1=0.5,
    strategy="decentralized", dropout=0.0, **STILL,
)  # fmt: skip
IMAGES = dict(
    dataset="digits", latent_size=4, width_g=4, width_d=4, batch_size=4, critic_steps=2, steps=10,
    strategy="decentralized", **STILL,
)  # fmt: skip


@pytest.fixture(autouse=True)
def started():
    tfdgan.start()


def image_trainer(**changes):
    options = ImageOptions(**{**IMAGES, "model": "dcgan", "image_size": 8, **changes})
    task, side = ImageTask(options), options.form.size[0]
    trainer = make_trainer(
        options, task, *task.build_models((side, side, 1), classes=3 if options.conditional else None)
    )
    random, count = np.random.default_rng(0), trainer.batches_a_step * options.batch_size
    samples = tf.constant(random.uniform(-1, 1, (count, side, side, 1)).astype(np.float32))
    labels = tf.constant(random.integers(3, size=count).astype(np.int32))
    return trainer, (samples, labels) if options.conditional else samples


def sentence_trainer(kind, **changes):
    Options, Task, model = {
        "text": (TextOptions, TextTask, dict(dataset="oracle", model="lstm", vocabulary_size=12, sentence_length=5)),
        "style": (
            StyleTransferOptions, StyleTransferTask,
            dict(dataset="toy_styles", model="style_transfer", sentence_length=4, style_size=3, **CLIPPED),
        ),
    }[kind]  # fmt: skip
    settings = {**SENTENCES, **model, **changes}
    options = Options(**{name: value for name, value in settings.items() if name in Options.names()})
    task = Task(options)
    source = task.source()
    trainer = make_trainer(options, task, *task.build_models(source.sample_shape, source.classes))
    count = trainer.batches_a_step * options.batch_size
    return trainer, next(iter(source.stream(count, 0, 0, labelled=task.labelled)))


def slots(trainer, player, name):
    optimizer = next(p for p in trainer.players if p.name == player).optimizer
    return [v.numpy() for v in optimizer.variables if v.name.endswith(name)]


ONE = dict(critic_steps=1, generator_steps=1)  # so that the first step's gradients are all that there are
MAKE = {
    "adversarial": lambda **split: image_trainer(critic_steps=1, **split),
    "conditional": lambda **split: image_trainer(
        model="resnet", image_size=32, conditional=True, batch_size=2, gradient_penalty=0.0, critic_steps=1, **split
    ),
    "clipped ratio": lambda **split: image_trainer(
        **{**CLIPPED, **ONE}, center_scores=True, objective="relativistic", **split
    ),
    "text": lambda **split: sentence_trainer("text", **{**CLIPPED, **ONE}, gradient_penalty=0.0, **split),
    "style": lambda **split: sentence_trainer("style", **ONE, **split),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKE)
def test_gradients_and_figures_stay_and_noise_is_measured(kind):
    """After a step with one update of the critic the first moments, (1 - beta_1) times the gradient, are the same."""
    found = []
    for split in ({}, SPLIT):
        trainer, batch = MAKE[kind](**split)
        figures = trainer.step(tf.constant(0, tf.int64), batch)
        found.append((trainer, {name: float(value) for name, value in figures.items()}))
    (plain, figures), (split, ours) = found
    drops = kind == "text"  # the critic's dropout, drawn anew for each half
    for player in plain.players:
        ms = slots(plain, player.name, "_momentum"), slots(split, player.name, "_momentum")
        scale = max(np.abs(m).max() for m in ms[0])
        for a, b in zip(*ms, strict=True) if not drops else ():
            np.testing.assert_allclose(b, a, rtol=0, atol=2e-4 * scale)
        noises = slots(split, player.name, "_noise")
        assert len(noises) == len(ms[0]) and all((q >= 0).all() for q in noises)
        assert max(q.max() for q in noises) > 0 and not slots(plain, player.name, "_noise")
    assert figures.keys() == ours.keys()
    for name in set(figures) - {"time/waiting"} if not drops else ():
        assert ours[name] == pytest.approx(figures[name], rel=1e-3, abs=1e-4), name


def test_noise_is_measured_at_every_kth_update():
    """Of 3 steps of 2 critic updates with k = 4: updates 0 and 4, and the generator's 0."""
    trainer, batch = image_trainer(**SPLIT, noise_every=4)
    for step in range(3):
        trainer.step(tf.constant(step, tf.int64), batch)
    assert [slots(trainer, name, "noise_updates")[0] for name in ("critic", "generator")] == [2, 1]
    assert trainer.step.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_xla_computes_the_same():
    noises = []
    for jit in (False, True):
        trainer, batch = image_trainer(**SPLIT, jit=jit, critic_steps=1)
        trainer.step(tf.constant(0, tf.int64), batch)
        noises.append(np.concatenate([q.ravel() for q in slots(trainer, "critic", "_noise")]))
    np.testing.assert_allclose(noises[1], noises[0], rtol=1e-2, atol=1e-3 * noises[0].max())


def test_optimizers_know_how_many_average():
    options = ImageOptions(**{**IMAGES, **SPLIT, "model": "dcgan", "image_size": 8})
    task = ImageTask(options)
    trainer = make_trainer(options, task, *task.build_models((8, 8, 1)), size=4)
    assert {player.optimizer.learners for player in trainer.players} == {4}
    trainer.restrict_to([0, 2, 3])
    assert {player.optimizer.learners for player in trainer.players} == {3}


def test_where_learners_share_one_batch_it_means_nothing():
    options = ImageOptions(**{**IMAGES, **SPLIT, "strategy": "centralized", "model": "dcgan", "image_size": 8})
    assert list(options.without_effect()) == ["second_moment"] and not options.splits_batches
    with pytest.raises(UserError, match="^batch_size=1: has no halves, which second_moment=split_batch needs"):
        ImageOptions(**{**IMAGES, **SPLIT, "batch_size": 1})
