"""The picture of learners beside each other, of real runs: each row is what that learner's own weights make."""

import keras
import numpy as np
import pytest
from conftest import ROOT, launch
from jobs import event_pictures, event_steps
from pictures import noise

import tfdgan
from tfdgan.cli import workdir as workdirs
from tfdgan.tasks import ImageOptions, ImageTask, TextTask
from tfdgan.training import dashboard

FLAGS = [
    "--dataset=pictures:noise",
    *("--latent_size=4", "--width_d=8", "--batch_size=8", "--critic_steps=1", "--log_every=5", "--steps=10"),
    *("--eval_every=5", "--checkpoint_every=5", "--learning_rate_g=1e-2", "--gradient_penalty=0"),
]
SIDE, TILE, GAP, GREY = 8, 44, 6, 96  # pixels: of an image, of it five times as large with its frame, before learner 0


def train(workdir, *flags):
    """By two learners."""
    path = f"{ROOT}:{ROOT}/tests"
    launch(2, "-m", "tfdgan.train", *FLAGS, *flags, f"--workdir={workdir}", PYTHONPATH=path)


def rows_of(workdir, step):
    """(what TensorBoard says of the picture of a step; its rows, uint8 [8, 8, 8] of images each)."""
    pictures = event_pictures(workdir / "tensorboard", "learners")
    assert list(pictures) == [5, 10]
    picture, said = pictures[step]
    assert picture.shape == (3 * TILE + GAP, 8 * TILE, 1)
    assert (picture[TILE : TILE + GAP] == 255).all()
    tiles = np.delete(picture, range(TILE, TILE + GAP), axis=0).reshape(3, TILE, 8, TILE).swapaxes(1, 2)
    assert (tiles[:, :, TILE - 4 :] == GREY).all() and (tiles[..., TILE - 4 :] == GREY).all()
    return said, tiles[:, :, 2 : TILE - 4 : 5, 2 : TILE - 4 : 5]


def shard(workdir, step, rank, group):
    """The arrays of a group of a learner's checkpoint, in order."""
    with np.load(workdir / f"checkpoints/{step:08d}/learner_{rank:03d}.npz") as file:
        return [file[name] for name in sorted(file.files) if name.startswith(f"{group}/")]


def as_stored(samples):
    return np.clip(np.round((samples.reshape(-1, SIDE, SIDE) + 1) * 127.5), 0, 255)


def perceptron(weights, latents):
    """What the generator of --model=mlp makes, in NumPy."""
    x = latents.astype(np.float64)
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = np.maximum(x @ kernel + bias, 0)
    return x @ weights[-2] + weights[-1]


@pytest.mark.slow
@pytest.mark.distributed
def test_rows_are_what_each_learners_own_weights_make(tmp_path):
    """Of learners that share nothing; the first row is learner 0's, which stands for such a job."""
    train(tmp_path, "--model=mlp", "--width_g=8", "--strategy=local")
    _, sampler, _ = workdirs.load(str(tmp_path))
    latents = sampler.latents(64, seed=0, purpose="picture").numpy()[:8]  # those of the picture of samples
    for step in (5, 10):
        said, (job, *learners) = rows_of(tmp_path, step)
        assert said.startswith("Rows, from the top: learner 0 EMA, learner 0, learner 1;")
        for rank, row in enumerate(learners):
            want = as_stored(perceptron(shard(tmp_path, step, rank, "average/generator"), latents))
            assert np.abs(row - want).max() <= 1  # of two that round a number near a half
        np.testing.assert_array_equal(job, learners[0])
    assert np.abs(learners[0].astype(int) - learners[1]).mean() > 5
    assert len(np.unique(learners[1], axis=0)) == 8


@pytest.mark.slow
@pytest.mark.distributed
def test_rows_are_alike_where_learners_have_the_same_weights(tmp_path):
    """Statistics of batch norm, which follow each learner's own batches, are estimated anew for all of them alike."""
    train(tmp_path, "--model=dcgan", "--width_g=2", "--strategy=centralized", "--recalibrate=2")
    first, second = (shard(tmp_path, 10, rank, "average/generator") for rank in (0, 1))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    said, (job, *learners) = rows_of(tmp_path, 10)
    assert said.startswith("Rows, from the top: consensus EMA with statistics of 2 batches, learner 0, learner 1;")
    for row in learners:
        assert np.abs(row.astype(int) - job).max() <= 1
    assert len(np.unique(job, axis=0)) == 8 and job.std() > 5


@pytest.mark.filterwarnings("ignore:tfdgan.start")  # other tests have used TensorFlow before
def test_a_learner_alone_has_nobody_beside_it(tmp_path):
    generator = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(SIDE * SIDE), keras.layers.Reshape((SIDE, SIDE, 1))]
    )
    critic = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    options = ImageOptions(
        workdir=str(tmp_path), model="given", dataset="given", latent_size=3, batch_size=8, critic_steps=1, steps=2,
        eval_every=2,
    )  # fmt: skip
    tfdgan.fit(options, ImageTask(options, generator, critic, noise()))
    assert event_steps(tmp_path / "tensorboard", "samples") == [2]
    assert event_steps(tmp_path / "tensorboard", "learners") == []


def test_what_has_no_pictures_has_no_rows():
    """Sentences; and points whose modes nobody knows, which would stand in frames of their own."""
    assert TextTask(TextTask.Options(task="text", dataset="oracle", model="lstm")).row(None) is None
    pair = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), keras.Sequential([keras.layers.Dense(1)])
    options = ImageOptions(dataset="given", model="given", latent_size=3)
    task = ImageTask(options, *pair, np.zeros((4, 2)))
    task.build_models((2,))
    assert task.row(None) is None


def test_the_guide_speaks_of_the_pictures():
    assert "`samples`, " in dashboard.guide() and "`learners`, " in dashboard.guide()
