"""The main job on real CIFAR-10, and scores by a real extractor."""

import json

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from conftest import launch

import tfdgan
from tfdgan import data
from tfdgan.errors import UserError
from tfdgan.metrics.extractor import SavedModelExtractor
from tfdgan.metrics.frechet import Moments, frechet_distance
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.image.task import ImageTask

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


def test_splits_and_slices_of_a_tfds_set(data_folder):
    where = dict(data_dir=str(data_folder / "tfds"))
    whole, few, test = (data.load("cifar10", split=split, **where) for split in ("train", "train[:1000]", "test"))
    assert [len(source) for source in (whole, few, test)] == [50_000, 1_000, 10_000]
    np.testing.assert_array_equal(next(iter(few.once(4))), next(iter(whole.once(4))))
    assert len({source.key for source in (whole, few, test)}) == 3
    assert few.summary.startswith(
        "cifar10/3.0.2, train[:1000]: 1,000 images read; 32x32x3 (height x width x channels); 10 classes: airplane"
    )
    assert few.class_names == tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
    parts = [data.load("cifar10", split="train[:1000]", rank=rank, size=3, **where) for rank in range(3)]
    assert [len(part) for part in parts] == [333] * 3
    assert parts[0].summary.endswith("; left out so that 3 learners have as many: 1")
    by_label = data.load("cifar10", split="train[:1000]", partition="by_label", rank=1, size=2, **where)
    assert len(by_label) == 500
    with pytest.raises(
        UserError, match=r"^dataset=cifar10: has no split 'valid' \(split, eval_split\); it has test, train, or a slice"
    ):
        data.load("cifar10", split="valid", **where)
    with pytest.raises(UserError, match="^dataset=cifar10: has no split 'train"):
        data.load("cifar10", split="train[:x]", **where)
    for split in ("train[:0]", "train[5:2]"):
        with pytest.raises(UserError, match="^dataset=cifar10: there are no images in the split"):
            data.load("cifar10", split=split, **where)


def test_scores_are_against_the_split_that_is_asked_for(data_folder, tmp_path):
    """Signatures name the split; the test images' sums are not the training images'."""
    options = ImageOptions(
        workdir=str(tmp_path), data_dir=str(data_folder / "tfds"), inception=str(data_folder / "cifar10_classifier"),
        split="train[:64]", eval_split="test[:300]", width_g=4, width_d=4, batch_size=4, critic_steps=1, steps=1,
        eval_every=1, eval_samples=300, augment="flip,diffaug", model="dcgan",
    )  # fmt: skip
    tfdgan.fit(options, ImageTask(options))
    records = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    distance = next(record for record in records if record["name"].startswith("FD"))
    assert distance["signature"]["real"] == "300 test[:300]"
