"""tfdgan.keras: what holds before the start and alone; launches its tests on several learners."""

import re

import pytest
from conftest import launch

from tfdgan.errors import UserError
from tfdgan.keras import Gossip

pytestmark = pytest.mark.distributed


def test_orders_of_mixing():
    Gossip(mix_order="after")
    with pytest.raises(UserError, match="^mix_order='before': choose one of late, after$"):
        Gossip(mix_order="before")


ALONE = """
import keras
import numpy as np
import tensorflow as tf
import tfdgan
from tfdgan.errors import UserError

def weights(*callbacks, **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse", **compiled)
    model.fit(np.ones([8, 3]), np.ones([8, 2]), batch_size=2, verbose=0, callbacks=list(callbacks))
    return np.concatenate([w.ravel() for w in model.get_weights()])

plain = weights()
calls = [lambda: weights(tfdgan.keras.Gossip()), lambda: tfdgan.keras.shard(tf.data.Dataset.range(3))]
for call in calls:
    try:
        call()
    except UserError as error:
        print(error)
tfdgan.start()
assert (weights(tfdgan.keras.Gossip("ring", random=True, wire_dtype="bfloat16")) == plain).all()
assert list(tfdgan.keras.shard(tf.data.Dataset.range(3)).as_numpy_iterator()) == [0, 1, 2]
try:
    weights(tfdgan.keras.Gossip(), steps_per_execution=2)
except UserError as error:
    print(error)
"""


@pytest.mark.filterwarnings("ignore:tfdgan.start")
def test_alone():
    """One learner trains as without the callback; nothing is rounded."""
    lines = launch(0, "-c", ALONE).stdout.splitlines()
    assert lines[:2] == ["Horovod has not been started: call tfdgan.start() first"] * 2
    assert lines[2].startswith("steps_per_execution=2: ") and len(lines) == 3


def test_on_three_learners():
    paths = [f"tests/distributed/{name}" for name in ("test_keras_gossip.py", "test_keras_shard.py")]
    done = launch(3, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider", *paths)
    passed = [int(n) for n in re.findall(r"(\d+) passed", done.stdout)]
    assert len(passed) == 3 and len(set(passed)) == 1, done.stdout[-2000:]
    assert "skipped" not in done.stdout
