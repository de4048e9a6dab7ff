"""Which figures a trainer's steps give: neither fewer nor others than the logs of earlier runs have."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scalar_nets import Constant, linear, trainer_of

from tfdgan.cli.objects import make_trainer
from tfdgan.tasks import StyleTransferTask, TextTask

CRITIC = {"loss/critic", "loss/gradient_penalty", "gradient_norm/critic"}
GENERATOR = {"loss/generator", "gradient_norm/generator"}
WAITING = {"time/waiting"}
REWEIGHTING = {"reweighting/effective_sample_size", "reweighting/effective_share"}
CLASSIFIER = {"loss/classifier", "classifier/accuracy", "ratio/mean", "ratio/clip_fraction", "ratio/max"}
VARIANCE = {"gradient_variance/reweighted", "gradient_variance/plain"}
STYLES = {"loss/reconstruction", "style/accuracy", "content/distance", "content/told"}
PLAIN = CRITIC | GENERATOR | WAITING
CLIPPED = PLAIN | {"critic/mean_score"}

RATIO = dict(trainer="clipped_ratio", update="alternating")
SENTENCES = dict(
    strategy="local", width_g=4, width_d=2, embedding_size=2, corpus_size=50, batch_size=2, critic_steps=1,
    generator_steps=1, pretraining_steps=1, steps=3, ratio_clipping=False,
)  # fmt: skip


@pytest.mark.parametrize(
    "changes, figures, diagnosed",
    [
        (dict(), PLAIN, set()),
        (dict(update="alternating", gradient_penalty=0.0), PLAIN, set()),
        (RATIO, CLIPPED | REWEIGHTING | CLASSIFIER, VARIANCE),
        (RATIO | dict(ratio_clipping=False), CLIPPED | REWEIGHTING, VARIANCE),
        (RATIO | dict(sample_reweighting=False), CLIPPED | CLASSIFIER, VARIANCE),
        (RATIO | dict(sample_reweighting=False, ratio_clipping=False), CLIPPED, VARIANCE),
        (RATIO | dict(objective="relativistic"), CLIPPED | REWEIGHTING | CLASSIFIER, set()),
    ],
)
def test_of_images(changes, figures, diagnosed):
    generator, settings = keras.Sequential([keras.Input((3,)), Constant()]), dict(critic_steps=1, generator_steps=1)
    trainer = trainer_of(generator, linear(2.0), latent_size=3, batch_size=2, **settings, **changes)
    found = trainer.step(tf.constant(0, tf.int64), np.ones((2, 1), np.float32))
    assert found.keys() == figures and trainer.diagnose(1).keys() == diagnosed
    assert {(value.dtype, len(value.shape)) for value in found.values()} == {(tf.float64, 0)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "task, changes, figures, diagnosed",
    [
        (TextTask, dict(model="lstm", representations=1, vocabulary_size=5, sentence_length=3), PLAIN, set()),
        (
            TextTask,
            RATIO | dict(model="lstm", representations=1, vocabulary_size=5, sentence_length=3),
            CLIPPED | REWEIGHTING,
            VARIANCE,
        ),
        (StyleTransferTask, dict(style_size=2, sentence_length=6), CLIPPED | REWEIGHTING | STYLES, set()),
    ],
)
def test_of_sentences(task, changes, figures, diagnosed):
    """Of a step of pretraining, then of the game."""
    made = task(task.Options(**SENTENCES, **changes))
    source = made.source()
    trainer = make_trainer(made.options, made, *made.build_models(source.sample_shape, source.classes))
    batches = iter(source.stream(2, 0, 0, labelled=made.labelled))
    assert trainer.steps(0, 1, batches).keys() == {"loss/likelihood", "gradient_norm/generator"} | WAITING
    assert trainer.diagnose(1) == {}
    assert trainer.steps(1, 1, batches).keys() == figures and trainer.diagnose(2).keys() == diagnosed


def test_pretraining_sends_the_generator_alone():
    """On a ring of 4: to 2 neighbours, 4 bytes a weight."""
    small = dict(model="lstm", representations=1, vocabulary_size=5, sentence_length=3)
    made = TextTask(TextTask.Options(**{**SENTENCES, "strategy": "decentralized", "topology": "ring"}, **small))
    trainer = make_trainer(made.options, made, *made.build_models((3,), None), size=4)
    numbers = {player.name: player.numbers for player in trainer.players}
    assert trainer.bytes_a_step(0) == 8 * numbers["generator"]
    assert trainer.bytes_a_step(1) == 8 * (numbers["generator"] + numbers["critic"])
