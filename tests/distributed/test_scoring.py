"""Scores whose samples are shared out among learners."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest

from tfdgan.cli.fit import consensus_kind
from tfdgan.cli.objects import make_trainer
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.metrics import extractor
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.tasks.latent_sampler import LatentSampler
from tfdgan.training import consensus, recalibration, scoring

N, RANK = hvd.size(), hvd.rank()
IMAGES = np.random.default_rng(0).uniform(-1, 1, (1100, 4, 4, 1)).astype(np.float32)


def saved(folder, seed):
    keras.utils.set_random_seed(seed)
    images = keras.Input((4, 4, 1))
    features = keras.layers.Dense(5)(keras.layers.Flatten()(images))
    extractor.save(keras.Model(images, [features, keras.layers.Dense(3)(features)]), str(folder))
    return str(folder)


def task(path):
    options = ImageOptions(dataset="given", model="given", latent_size=3, inception=path)
    critic = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
    made = ImageTask(options, generator, critic, IMAGES)
    made.build_models((4, 4, 1))
    weights = generator.trainable_variables, generator.non_trainable_variables
    return made, LatentSampler(generator, weights, 3, "test")


def test_parts_of_learners_give_the_scores_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path / "cache"))
    path = collectives.gather(saved(tmp_path / "extractor", 0) if RANK == 0 else None, "path")[0]
    shared, sampler = task(path)
    assert not shared.knows_real
    found = scoring.score(shared, sampler, 1050, seed=4, thorough=True)
    if RANK:
        assert found == []
        return
    assert shared.knows_real  # and so does whoever comes next
    alone, sampler = task(path)
    whole = alone.measure(
        sampler, 1050, 4, (0, 1), real=True, thorough=True, progress=lambda batches, length, what: batches
    )
    want = alone.scores(whole, sampler, 1050, 4)
    assert [score.name for score in found] == [score.name for score in want] and len(want) == 7
    for ours, theirs in zip(found, want, strict=True):
        assert ours.signature == theirs.signature
        assert ours.value == pytest.approx(theirs.value, rel=1e-6), ours.name


def test_learners_share_out_the_batches_of_a_recalibration():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    groups = model.trainable_variables, model.non_trainable_variables
    names = tuple([v.path for v in group] for group in groups)
    stored = {v.path: v.numpy() for group in groups for v in group}
    inputs = lambda batch: np.random.default_rng(batch).standard_normal((8, 3)).astype(np.float32)  # noqa: E731
    found = recalibration.recalibrated(model, stored, names, inputs, 6)
    parts = [[stored[name] for name in part] for part in names]
    want = recalibration.statistics(model, *parts, inputs, range(6))
    for name, total in zip(names[1], want, strict=True):
        np.testing.assert_allclose(found[name], total / 6, rtol=1e-5)
        assert np.abs(found[name] - stored[name]).max() > 0.01
    assert all(found[name] is stored[name] for name in names[0])


def test_learners_with_other_extractors_are_told(tmp_path):
    shared, sampler = task(saved(tmp_path / "extractor", seed=RANK))
    if N == 1:
        assert scoring.score(shared, sampler, 100)
        return
    with pytest.raises(
        UserError, match=r"learner 1 scores by \['extractor .*'\], learner 0 by .*; copy one to all hosts"
    ):
        scoring.score(shared, sampler, 100)


def test_under_local_learner_0_is_scored():
    options = ImageOptions(dataset="given", model="given", latent_size=3, strategy="local", ema_decay=0)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    generator.set_weights([np.full((3, 2), float(RANK)), np.full(2, 10.0 + RANK)])
    critic.set_weights([np.full((2, 1), float(RANK)), np.zeros(1)])
    task = ImageTask(options, generator, critic, np.zeros([1, 2]))
    trainer = make_trainer(options, task, *task.build_models((2,)), learner=RANK, size=N)
    kind = consensus_kind(options)
    assert kind.label == "learner 0"
    stored, distance = consensus.gather(trainer, kind.shared)
    np.testing.assert_array_equal(stored["model/generator/000.kernel"], np.zeros((3, 2)))
    np.testing.assert_array_equal(stored["model/generator/001.bias"], [10, 10])
    # 10 weights that are the rank: the mean over ranks of 10 (rank - mean)^2.
    assert distance == pytest.approx(np.sqrt(10 * np.var(np.arange(N))))
