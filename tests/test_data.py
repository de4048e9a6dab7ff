"""Data: who gets which samples, in which order, and what cannot be used."""

import sys
import types
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tfdgan.data import ArraySource, digits, folder, from_user, gaussians, listing, load, partition
from tfdgan.data.images import Form
from tfdgan.errors import UserError
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.image.task import ImageTask

ALL = dict(rank=0, size=1, partition="iid")


def test_iid_parts_are_disjoint_and_of_one_size():
    labels = np.zeros(11, int)
    parts = [partition.indices(labels, rank, 3, "iid").tolist() for rank in range(3)]
    assert parts == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]  # 11 // 3 = 3 each, 9 and 10 are left out


def test_parts_by_label_by_hand():
    labels = np.array([2, 0, 1, 0, 2, 1])
    parts = [partition.indices(labels, rank, 3, "by_label").tolist() for rank in range(3)]
    assert parts == [[1, 3], [2, 5], [0, 4]]


def test_parts_by_label_hold_few_classes():
    labels = np.random.default_rng(0).integers(10, size=1003)
    parts = [partition.indices(labels, rank, 5, "by_label") for rank in range(5)]
    assert [len(part) for part in parts] == [200] * 5
    assert len(np.unique(np.concatenate(parts))) == 1000
    assert all(len(np.unique(labels[part])) <= 4 for part in parts)


@pytest.mark.parametrize("name", ["iid", "by_label"])
def test_one_part_is_everything(name):
    assert partition.indices(np.array([1, 0, 1]), 0, 1, name).tolist() == [0, 1, 2]


def array_source():
    return from_user(np.arange(10.0)[:, np.newaxis])


def record_source():
    return from_user(tf.data.Dataset.range(10).map(lambda i: tf.reshape(i, [1])))


SOURCES = pytest.mark.parametrize("make", [array_source, record_source])


def take(source, batches, *, count=5, seed=3, start=0):
    return np.concatenate([batch.numpy() for batch in source.stream(count, seed, start).take(batches)])[:, 0]


@SOURCES
def test_every_epoch_is_another_permutation(make):
    epochs = take(make(), 6).reshape(3, 10)
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == 3


@SOURCES
@pytest.mark.parametrize("count", [3, 5, 7, 25])  # 10 samples: batches across the ends of epochs, and over several
def test_stream_can_begin_anywhere(make, count):
    whole = take(make(), 8, count=count)
    assert sorted(whole[:10]) == list(range(10))
    for start in (1, 4):
        np.testing.assert_array_equal(take(make(), 8 - start, count=count, start=start), whole[start * count :])


@SOURCES
def test_order_is_the_seeds(make):
    np.testing.assert_array_equal(take(make(), 2), take(make(), 2))
    assert (take(make(), 2) != take(make(), 2, seed=4)).any()
    assert sorted(take(make(), 2, seed=2**63 - 1)) == list(range(10))


@SOURCES
def test_order_does_not_depend_on_the_global_seed(make):
    orders = []
    for seed in (0, 1, 2):
        tf.random.set_seed(seed)
        orders.append(take(make(), 2))
    np.testing.assert_array_equal(orders[1], orders[0])
    np.testing.assert_array_equal(orders[2], orders[0])


@SOURCES
def test_once_gives_every_sample_in_order(make):
    batches = [batch.numpy() for batch in make().once(4)]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert batches[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(batches)[:, 0], np.arange(10))


@SOURCES
def test_what_a_source_says_of_itself(make):
    source = make()
    assert len(source) == 10 and source.sample_shape == (1,)
    assert source.stream(4, 0, 0).element_spec == tf.TensorSpec([4, 1], tf.float32)


def test_an_array_decodes_only_when_read():
    source = ArraySource(np.array([1, 2, 3]), np.zeros(3), lambda item: tf.fill([2], tf.cast(item, tf.float32)))
    assert source.sample_shape == (2,)
    np.testing.assert_array_equal(next(iter(source.once(3))), [[1, 1], [2, 2], [3, 3]])


def test_gaussians_lie_around_their_centres():
    source = gaussians.load(seed=0, **ALL)
    points = np.concatenate([batch.numpy() for batch in source.once(50_000)])
    assert points.shape == (100_000, 2)
    offsets = points - gaussians.CENTRES[source.labels]
    # Standard errors of mean and deviation over 100,000 points: .05 / 316 = 1.6e-4 and 1.1e-4.
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=8e-4)
    np.testing.assert_allclose(offsets.std(axis=0), gaussians.SIGMA, atol=6e-4)
    # 4,000 a mode with standard deviation 62.
    assert np.abs(np.bincount(source.labels, minlength=25) - 4000).max() < 4 * 62


def test_gaussians_of_two_learners_are_parts_of_one_draw():
    def points(**shard):
        return np.concatenate(
            [batch.numpy() for batch in gaussians.load(seed=4, partition="iid", **shard).once(50_000)]
        )

    everything = points(rank=0, size=1)
    np.testing.assert_array_equal(points(rank=1, size=2), everything[1::2])


def test_digits_are_pictures_from_black_to_white():
    source = digits.load(form=Form(), **ALL)
    pictures = np.concatenate([batch.numpy() for batch in source.once(1000)])
    assert pictures.shape == (1797, 8, 8, 1) and source.sample_shape == (8, 8, 1)
    assert (pictures.min(), pictures.max()) == (-1, 1)
    assert len(np.unique(pictures)) == 17  # 0 to 16
    assert sorted(np.unique(source.labels)) == list(range(10))


def test_digits_resized_keep_their_mean():
    native = next(iter(digits.load(form=Form(), **ALL).once(20))).numpy()
    smaller, larger = (next(iter(digits.load(form=Form((side, side)), **ALL).once(20))).numpy() for side in (4, 16))
    said = digits.load(form=Form((16, 16)), **ALL).summary
    assert said.startswith(
        "digits: 1,797 images read; 16x16x1 (height x width x channels, crop from 8x8); 10 classes: 0 1"
    )
    assert smaller.shape == (20, 4, 4, 1) and larger.shape == (20, 16, 16, 1)
    # A pixel is the mean of four; or one of four, a quarter of the way to the next.
    np.testing.assert_allclose(smaller[:, 0, 0], native[:, :2, :2].mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(larger[:, 0, 1], 0.75 * native[:, 0, 0] + 0.25 * native[:, 0, 1], atol=1e-6)


def test_digits_by_label_give_each_learner_few_classes():
    labels = [digits.load(form=Form(), rank=rank, size=5, partition="by_label").labels for rank in range(5)]
    assert [len(part) for part in labels] == [359] * 5  # 1797 // 5
    assert all(len(np.unique(part)) <= 4 for part in labels)


def write_image(path, shade, side=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(tf.fill([*side, 3], tf.cast(shade, tf.uint8))).numpy())


@pytest.fixture
def pictures(tmp_path):
    """Six images of differing sizes in two classes, of shades 0, 51, ... 255."""
    for i in range(6):
        write_image(tmp_path / "train" / ("cat" if i % 2 else "dog") / f"{i}.png", 51 * i, side=(6 + i, 4))
    return tmp_path


def test_folder_of_images(pictures):
    source = folder.load(str(pictures), form=Form((8, 8)), **ALL)
    assert len(source) == 6 and source.sample_shape == (8, 8, 3)
    samples = next(iter(source.once(6))).numpy()
    shades = samples.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(sorted(shades), np.linspace(-1, 1, 6), atol=1e-6)
    np.testing.assert_allclose(samples, np.broadcast_to(shades[:, None, None, None], samples.shape), atol=1e-6)
    batch = next(iter(source.stream(6, 0, 0))).numpy()
    np.testing.assert_allclose(np.sort(batch.mean(axis=(1, 2, 3))), np.linspace(-1, 1, 6), atol=1e-6)


def test_folder_is_listed_as_tfds_lists_it(pictures):
    """The same files, classes and order; so a run's data are the same whoever lists them."""
    for i in range(6, 20):
        ending = ("PNG", "jpeg", "jpg")[i % 3]  # what is in the files does not matter here
        write_image(pictures / "train" / ("a cat", "dog", "emu")[i % 3] / f"{i}.{ending}", i)
        write_image(pictures / "test" / ("ant", "dog")[i % 2] / f"{i}.png", i)
    (pictures / "train" / "empty").mkdir()
    (pictures / "train" / "dog" / "notes.txt").write_text("no image")
    (pictures / "notes.txt").write_text("no folder")
    builder = tfds.ImageFolder(str(pictures))
    for split, number, classes in (("train", 20, ("a cat", "cat", "dog", "emu")), ("test", 14, ("ant", "dog"))):
        found = listing.of(str(pictures), split)
        theirs = list(builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}))
        files = [str(pictures / name) for name in found.names]
        assert files == [example["image/filename"].numpy().decode() for example in theirs]
        names = [builder.info.features["label"].int2str(int(example["label"])) for example in theirs]
        assert [found.classes[label] for label in found.labels] == names  # numbered by the classes that there are
        assert len(files) == number and found.classes == classes


def test_folder_by_label(pictures):
    shades = []
    for rank in range(2):
        source = folder.load(str(pictures), form=Form((8, 8)), rank=rank, size=2, partition="by_label")
        samples = next(iter(source.once(6))).numpy()
        shades.append(sorted(round((m + 1) * 2.5) for m in samples.mean(axis=(1, 2, 3))))
    assert shades == [[1, 3, 5], [0, 2, 4]]  # cats, then dogs


def test_corrupt_image_is_named(pictures):
    bad = pictures / "train" / "cat" / "3.png"
    bad.write_bytes(bad.read_bytes()[:40])
    with pytest.raises(UserError, match="corrupt image .*cat/3.png") as caught:
        folder.load(str(pictures), form=Form((8, 8)), **ALL).check()
    assert "\n" not in str(caught.value)


def test_data_that_have_changed_are_told_from_those_of_training(pictures):
    """By names, classes and sizes of files: so each learner knows all, and a run of other learners does."""
    options = ImageOptions(dataset=f"folder:{pictures}", image_size=8, width_g=4, width_d=4)
    parts = [folder.load(str(pictures), form=Form((8, 8)), rank=rank, size=2, partition="iid") for rank in (0, 1)]
    assert parts[0].whole == parts[1].whole != ""
    task, later = ImageTask(options), ImageTask(options)
    task.build_models(task.source().sample_shape)
    assert task.facts["data"] == parts[0].whole
    later.rebuild(task.facts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        later._real.everything("train")
    next((pictures / "train" / "cat").glob("*.png")).unlink()
    with pytest.warns(UserWarning, match="dataset=folder:.* has changed since the generator was trained on it"):
        later._real.everything("train")
    later.rebuild({"sample_shape": (8, 8, 3)})  # of a checkpoint that does not say
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        later._real.everything("train")


def test_folder_needs_a_size_and_images(pictures, tmp_path):
    with pytest.raises(UserError, match="image_size"):
        folder.load(str(pictures), form=Form(), **ALL)
    (tmp_path / "empty" / "train").mkdir(parents=True)
    with pytest.raises(UserError, match="dataset=folder:none: no such folder or .zip file"):
        folder.load("none", form=Form((8, 8)), **ALL)
    with pytest.raises(UserError, match="folder:.*empty: no images among 0 files"):
        folder.load(str(tmp_path / "empty"), form=Form((8, 8)), **ALL)
    with pytest.raises(UserError, match="no images"):
        (tmp_path / "bare").mkdir()
        folder.load(str(tmp_path / "bare"), form=Form((8, 8)), **ALL)


def test_load_goes_by_name(pictures, tmp_path, monkeypatch):
    assert load("gaussians", rank=1, size=4).sample_shape == (2,)
    assert len(load("digits", rank=1, size=4)) == 449
    assert load(f"folder:{pictures}", form=Form((16, 16))).sample_shape == (16, 16, 3)
    (tmp_path / "users_own_data.py").write_text("import numpy as np\n\n\ndef ones():\n    return np.ones((4, 3))\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load("users_own_data:ones").sample_shape == (3,)
    with pytest.raises(UserError, match="dataset=users_own_data:twos"):
        load("users_own_data:twos")
    (tmp_path / "users_faults.py").write_text("three = 3\n\n\ndef bad():\n    return {}['key']\n")
    with pytest.raises(UserError, match=r"dataset=users_faults:bad: KeyError: 'key' \(.*users_faults.py, line 5\)"):
        load("users_faults:bad")
    with pytest.raises(UserError, match="dataset=users_faults:three: is a int, not a function"):
        load("users_faults:three")
    with pytest.raises(UserError, match="did you mean dataset=folder:"):
        load(str(pictures))
    monkeypatch.chdir(pictures.parent)
    assert load(f"folder:{pictures.name}", form=Form((8, 8))).sample_shape == (8, 8, 3)
    ImageOptions(dataset=f"folder:{pictures.name}", image_size=8).check_files()  # no package called folder


def test_learner_without_samples_is_named(pictures):
    folder = ImageTask(ImageOptions(dataset=f"folder:{pictures}", image_size=8))
    few = ImageTask(ImageOptions(dataset="given"), samples=np.ones((6, 8, 8, 1)))
    for task in (folder, few):
        with pytest.raises(UserError, match="learner 6 of 7 gets no samples"):
            task.source(rank=6, size=7)


def test_unknown_name_is_refused(tmp_path):
    with pytest.raises(UserError, match="dataset=no_such_images: .*digits") as caught:
        load("no_such_images", data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_known_name_that_is_not_prepared_says_how_to(tmp_path):
    with pytest.raises(UserError, match="dataset=mnist: not prepared"):
        load("mnist", data_dir=str(tmp_path))


@pytest.mark.parametrize("value", ["users_broken_data:nothing", "users_broken_data:text"])
def test_reference_that_gives_no_data_is_refused(value, monkeypatch):
    module = types.ModuleType("users_broken_data")
    module.__spec__ = types.SimpleNamespace(name="users_broken_data")
    module.nothing, module.text = (lambda: None), (lambda: "text")
    monkeypatch.setitem(sys.modules, "users_broken_data", module)
    with pytest.raises(UserError, match=f"dataset={value}: an array of "):
        load(value)
