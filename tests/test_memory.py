"""What is called at every step gives TensorFlow no Python number, each of which it would keep for good."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scalar_nets import Constant, linear, trainer_of

from tfdgan.gossip.neighbor_exchange import _as_step
from tfdgan.training.monitor import Monitor

STEP, VALUE = 10**12 + 7, 1e9 + 0.125  # that nothing else holds


def kept(call, number):
    """How many references to a number stay behind."""
    before = sys.getrefcount(number)
    call(number)
    return sys.getrefcount(number) - before


@pytest.mark.parametrize("number", [STEP, VALUE, np.float64(VALUE)])
def test_tensorflow_keeps_python_numbers(number):
    """If it does no more, what the others test is needed no more."""
    assert kept(tf.identity, number) == 1


def test_scalars_and_pictures_in_the_log(tmp_path):
    monitor = Monitor(str(tmp_path), steps=10**13, start=0, hyper_parameters={}, flags="")
    assert kept(lambda step: monitor.scalar(step, "loss/critic", 0.5), STEP) == 0
    assert kept(lambda step: monitor.picture(step, "learners", np.zeros((2, 2, 1), np.uint8), "words"), STEP) == 0
    assert kept(lambda value: monitor.scalar(1, "loss/critic", value), VALUE) == 0
    assert kept(lambda value: monitor.scalar(1, "loss/critic", value), np.float64(VALUE)) == 0
    monitor.close()


def test_steps_of_gossip_rounds():
    assert kept(_as_step, STEP) == 0


def test_steps_of_training():
    changes = dict(trainer="clipped_ratio", update="alternating", ratio_clipping=False, generator_steps=1)
    generator = keras.Sequential([keras.Input((3,)), Constant()])
    trainer = trainer_of(generator, linear(2.0), latent_size=3, batch_size=2, critic_steps=1, **changes)
    data = tf.data.Dataset.from_tensors(np.ones((2, 1), np.float32)).repeat()
    assert kept(lambda step: trainer.steps(step, 1, iter(data)), STEP) == 0
    assert kept(trainer.diagnose, STEP) == 0
