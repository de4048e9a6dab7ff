"""What `train` refuses before the first step, called from Python."""

import keras
import numpy as np
import pytest

from tfdgan.config import Config
from tfdgan.errors import UserError
from tfdgan.tasks import ImageTask
from tfdgan.training.loop import train

POINTS = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)


def train_for(workdir, steps, units=4, **changes):
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(2)])
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    config = Config(
        workdir=str(workdir), model="given", dataset="given", latent_size=3, batch_size=8, critic_steps=1,
        steps=steps, eval_every=0, **changes,
    )  # fmt: skip
    return train(config, ImageTask(config, generator, critic, POINTS))


@pytest.mark.filterwarnings("ignore:tfdgan.distributed.start")  # other tests have used TensorFlow before
def test_a_checkpoint_of_another_model(tmp_path):
    train_for(tmp_path, 2)
    with pytest.raises(
        UserError, match=r"another model, model/generator/000.kernel is \(3, 4\) there and \(3, 5\) here"
    ):
        train_for(tmp_path, 3, units=5)
    train_for(tmp_path, 3)


def test_other_steps_under_a_decay(tmp_path):
    train_for(tmp_path, 2, learning_rate_decay="linear")
    with pytest.raises(UserError, match=r"steps: 2 -> 3 \(the learning rate's decay depends on it\)"):
        train_for(tmp_path, 3, learning_rate_decay="linear")
