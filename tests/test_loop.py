"""`tfdgan.fit` called from Python: what it refuses before the first step, and models that need something special."""

import json

import keras
import numpy as np
import pytest

import tfdgan
from tfdgan.errors import UserError
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.training.company import Company

POINTS = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)


def train_for(workdir, steps, units=4, points=None, **changes):
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(2)])
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    options = ImageOptions(
        workdir=str(workdir), model="given", dataset="given", latent_size=3, batch_size=8, critic_steps=1,
        steps=steps, eval_every=0, **changes,
    )  # fmt: skip
    return tfdgan.fit(options, ImageTask(options, generator, critic, POINTS if points is None else points))


@pytest.mark.filterwarnings("ignore:tfdgan.start")  # other tests have used TensorFlow before
def test_a_checkpoint_of_another_model(tmp_path):
    train_for(tmp_path, 2)
    with pytest.raises(
        UserError, match=r"another model, model/generator/000.kernel is \(3, 4\) there and \(3, 5\) here"
    ):
        train_for(tmp_path, 3, units=5)
    train_for(tmp_path, 3)


@pytest.mark.filterwarnings("ignore:tfdgan.start")
def test_other_samples_than_before(tmp_path):
    train_for(tmp_path, 2)
    others = POINTS.copy()
    others[63, 1] += 1
    changed = r"not the data that \S+ was trained on: samples, or their order, have changed; use another workdir"
    with pytest.raises(UserError, match=changed):
        train_for(tmp_path, 3, points=others)
    train_for(tmp_path, 3)
    # A job of two of which one was lost before the checkpoint: the other's samples are no longer those of a half.
    path = tmp_path / "checkpoints/00000003/manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "samples": "2 0123"}))
    with pytest.raises(UserError, match=changed):
        train_for(tmp_path, 4, points=others)
    train_for(tmp_path, 4)
    path = tmp_path / "checkpoints/00000004/manifest.json"
    without = {name: value for name, value in json.loads(path.read_text()).items() if name != "data"}
    path.write_text(json.dumps({**without, "samples": "1 0123"}))  # as of an earlier version
    with pytest.raises(UserError, match=changed):
        train_for(tmp_path, 5)


@pytest.mark.filterwarnings("ignore:tfdgan.start")
def test_losses_of_the_last_save_are_met(tmp_path, monkeypatch):
    """After it, since there is no further tick to tell of them."""
    met, manifest = [], tmp_path / "checkpoints/00000002/manifest.json"
    monkeypatch.setattr(Company, "meet_losses", lambda self, step: met.append((step, manifest.exists())))
    train_for(tmp_path, 2)
    assert met == [(2, False), (2, True)]


def test_other_steps_under_a_decay(tmp_path):
    train_for(tmp_path, 2, learning_rate_decay="linear")
    with pytest.raises(UserError, match=r"steps: 2 -> 3 \(the learning rate's decay depends on it\)"):
        train_for(tmp_path, 3, learning_rate_decay="linear")


@pytest.mark.slow
def test_ct_resnet_with_the_consistency_term(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32)
    options = ImageOptions(
        workdir=str(tmp_path), model="ct_resnet", dataset="given", latent_size=3, width_g=4, width_d=4, batch_size=2,
        critic_steps=1, steps=2, eval_every=0, consistency=2.0, penalty="one_sided", objective="hinge",
    )  # fmt: skip
    sampler = tfdgan.fit(options, ImageTask(options, samples=images))
    assert sampler.samples(2, seed=0).shape == (2, 32, 32, 3)


def test_a_critic_without_features_has_no_consistency_term(tmp_path):
    with pytest.raises(UserError, match="^consistency: the critic has no layer called features; use model=ct_resnet"):
        train_for(tmp_path, 2, consistency=1.0)
