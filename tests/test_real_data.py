"""The main job on real CIFAR-10, and scores by a real extractor."""

import json

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from conftest import launch

from tfdgan.metrics.extractor import SavedModelExtractor
from tfdgan.metrics.frechet import Moments, frechet_distance

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_cifar_flags_on_four_learners(data_folder, tmp_path):
    done = launch(
        4,
        *("-m", "tfdgan.train", "--flagfile=configs/cifar.flags", f"--workdir={tmp_path}/run"),
        *(f"--data_dir={data_folder}/tfds", "--steps=3", "--batch_size=8", "--log_every=1", "--eval_every=3"),
        *("--width_g=16", "--width_d=16"),
    )
    assert "training 3 steps on 4 learner(s)" in done.stdout and "done: 3 steps" in done.stdout
    assert len(list((tmp_path / "run/checkpoints/00000003").glob("learner_*.npz"))) == 4
    assert (tmp_path / "run/samples/00000003.png").stat().st_size > 10_000

    extractor = data_folder / "cifar10_classifier"
    flags = (f"--workdir={tmp_path}/run", f"--inception={extractor}", "--samples=300")
    said = launch(0, "-m", "tfdgan.evaluate", *flags).stdout
    assert "FD (cifar10_classifier): " in said and "generated 300" in said and "FID" not in said
    records = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text().splitlines()]
    kinds = {record["name"]: record for record in records}
    names = ("FD", "IS", "KD", "precision", "recall", "density", "coverage")
    assert set(kinds) == {f"{kind} (cifar10_classifier)" for kind in names}
    # Three steps make no images: far above the .04 of real test images.
    assert kinds["FD (cifar10_classifier)"]["value"] > 1
    assert all(record["signature"]["extractor"].startswith("cifar10_classifier ") for record in records)


def test_frechet_distance_knows_real_images(data_folder):
    """Real images are close to other real ones; the same ones blurred, and those of one class, are not."""
    import tensorflow_datasets as tfds

    everything = tfds.load(
        "cifar10", split="train[:6000]", batch_size=-1, data_dir=data_folder / "tfds", download=False
    )
    pictures, labels = everything["image"].numpy() / np.float32(127.5) - 1, everything["label"].numpy()
    blurred = tf.image.resize(tf.image.resize(pictures[500:1000], [8, 8], method="area"), [32, 32]).numpy()
    extractor = SavedModelExtractor(str(data_folder / "cifar10_classifier"))

    def features(images):
        return np.concatenate([extractor(part)["pool_3"] for part in np.split(images, 5)])

    reference = features(pictures[:500])

    def distance(images):
        return frechet_distance(moments(reference), moments(features(images)))

    def moments(values):
        values = np.asarray(values, np.float64)
        return Moments(len(values), values.sum(axis=0), values.T @ values)

    assert abs(frechet_distance(moments(reference), moments(reference))) < 1e-6
    other = features(pictures[500:1000])
    near = frechet_distance(moments(reference), moments(other))
    # The definition as it is written, by a general matrix root.
    a, b = (np.cov(np.asarray(values, np.float64), rowvar=False) for values in (reference, other))
    gap = reference.mean(axis=0, dtype=np.float64) - other.mean(axis=0, dtype=np.float64)
    assert near == pytest.approx(gap @ gap + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real), rel=1e-4)
    # 500 images have some distance by their number alone: in 256 dimensions their covariances are rough.
    assert near < 2
    assert distance(blurred) > 3 * near
    assert distance(pictures[labels == 3][:500]) > 3 * near
    noise = np.random.default_rng(0).uniform(-1, 1, (500, 32, 32, 3)).astype(np.float32)
    assert distance(noise) > distance(blurred)
    some = pictures[500:][
        labels[500:] != 0
    ]  # the distance that a missing class adds is small beside that of few images
    assert distance(some[:500]) > near
