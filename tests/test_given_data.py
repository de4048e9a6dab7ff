"""The user's own data: arrays, pipelines, NumPy files; what cannot be used is refused in one line."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.data import from_user, given, load
from tfdgan.data.images import Form
from tfdgan.errors import UserError
from tfdgan.tasks.image import nets
from tfdgan.tasks.image.options import ImageOptions


def test_users_array_with_labels():
    samples, labels = np.arange(8).reshape(4, 2), np.array([1, 0, 1, 0])
    source = from_user((samples, labels), rank=1, size=2, partition="by_label")
    np.testing.assert_array_equal(next(iter(source.once(4))), [[0, 1], [4, 5]])
    assert source.labels.tolist() == [1, 1]


def test_users_dataset_is_divided():
    data = tf.data.Dataset.range(7).map(lambda i: tf.reshape(i, [1]))
    parts = [next(iter(from_user(data, rank=rank, size=2).once(9))).numpy()[:, 0] for rank in range(2)]
    assert [part.tolist() for part in parts] == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (np.zeros(5), {}, r"\(5,\)"),
        (np.array([["a"], ["b"]]), {}, "<U1"),
        ([[1.0], [2.0]], dict(partition="by_label"), "labels"),
        (tf.data.Dataset.range(3).map(lambda i: tf.reshape(i, [1])), dict(partition="by_label"), "labels"),
        ((np.zeros((3, 2)), np.zeros(4)), {}, "labels"),
        ((np.zeros((4, 2)), np.zeros(3)), {}, "labels"),
        (tf.data.Dataset.from_tensor_slices((np.zeros((4, 2)), np.zeros(4))), {}, "dataset"),
        (tf.data.Dataset.range(3).repeat(), {}, "cardinality"),
        (tf.data.Dataset.range(9).filter(lambda i: i > 3), {}, "cardinality"),
    ],
    ids=[
        "one axis",
        "strings",
        "array without labels",
        "dataset without labels",
        "more labels",
        "fewer labels",
        "pairs",
        "infinite",
        "unknown length",
    ],
)
def test_users_data_that_cannot_be_used(data, options, words):
    with pytest.raises(UserError, match=words) as caught:
        from_user(data, name="mine:data", **options)
    assert "\n" not in str(caught.value) and "dataset=mine:data" in str(caught.value)


def dataset(samples, labels=None):
    return tf.data.Dataset.from_tensor_slices(samples if labels is None else (samples, labels))


def values(source):
    return np.concatenate([batch.numpy() for batch in source.once(100)])


def test_pipelines_may_be_batched_and_labelled():
    samples, labels = np.arange(14.0).reshape(7, 2).astype(np.float32), np.array([1, 0, 2, 1, 0, 2, 1])
    for data in (dataset(samples, labels), dataset(samples, labels).batch(3)):
        source = from_user(data)
        assert (source.classes, len(source), source.sample_shape) == (3, 7, (2,))
        assert source.class_names == ("0", "1", "2")
        np.testing.assert_array_equal(values(source), samples)
        found, kinds = next(iter(source.stream(7, 0, 0, labelled=True)))
        order = (found.numpy()[:, 0] / 2).astype(int)
        assert sorted(order) == list(range(7)) and kinds.numpy().tolist() == labels[order].tolist()
        parts = [from_user(data, rank=rank, size=2, partition="by_label") for rank in (0, 1)]
        assert [values(part)[:, 0].tolist() for part in parts] == [[0, 2, 8], [4, 6, 12]]
        assert parts[0].summary.endswith("3 classes: 0 2, 1 3, 2 2; left out so that 2 learners have as many: 1")


@pytest.mark.parametrize("labels", [np.array([[1], [0], [2]]), np.array([1, 0, 2], np.uint8)])
def test_labels_of_pipelines_may_have_an_axis(labels):
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    for data in (dataset(pictures, labels), dataset(pictures, labels).batch(2)):
        source = from_user(data)
        assert source.classes == 3 and values(source).shape == (3, 8, 8, 3)


@pytest.mark.parametrize(
    "data, said",
    [
        (lambda: dataset(np.zeros((4, 8, 8, 3)), np.eye(4, 10, dtype=np.int64)), r"labels of shape \(10,\) beside"),
        (lambda: dataset(np.zeros((4, 10, 10, 3)), np.eye(4, 10, dtype=np.int64)), r"labels of shape \(10,\) beside"),
        (lambda: dataset(np.zeros((4, 2)), np.zeros(4)), "labels of float64"),
        (lambda: dataset(np.array([["a"], ["b"]])), "samples of string"),
        (lambda: dataset({"image": np.zeros((4, 2))}), "its elements are dicts"),
        (lambda: unknown(None, np.zeros((2, 3))), "samples of unknown shape"),
        (lambda: unknown([None, None, 3], np.zeros((2, 5, 5, 3))), "which differ in size"),
        (
            lambda: dataset(np.zeros((64, 28, 28), np.uint8)).batch(32, drop_remainder=True),
            r"samples of shape \(32, 28, 28\), which are no images",
        ),
    ],
)
def test_pipelines_that_cannot_be_used(data, said):
    with pytest.raises(UserError, match=f"dataset=mine: .*{said}"):
        from_user(data(), name="mine")


def unknown(shape, samples):
    signature = tf.TensorSpec(shape, tf.float32)
    data = tf.data.Dataset.from_generator(lambda: iter(samples.astype(np.float32)), output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(samples)))


def test_an_order_that_changes_later_is_refused_too():
    numbers = tf.data.Dataset.range(600).map(lambda i: tf.cast([i], tf.float32))
    data = numbers.take(300).concatenate(numbers.skip(300).shuffle(300))
    with pytest.raises(UserError, match="dataset=mine: sample 3.. is another one at each pass"):
        from_user(data.apply(tf.data.experimental.assert_cardinality(600)), name="mine")


def test_what_tells_whether_learners_divide_the_same_samples_in_the_same_order():
    """`whole` is the same for each learner's part, another one in another order; `key` tells parts apart."""
    samples, order = np.arange(12, dtype=np.float32).reshape(6, 2), [1, 0, 2, 3, 4, 5]
    for kind in (lambda x: x, dataset):
        parts = [from_user(kind(samples), rank, 2) for rank in (0, 1)]
        assert parts[0].whole == parts[1].whole != "" and parts[0].key != parts[1].key
        assert from_user(kind(samples), 1, 2).key == parts[1].key
        other = from_user(kind(samples[order]), 1, 2)
        assert other.whole != parts[0].whole
    assert from_user((samples, np.arange(6))).whole != from_user((samples, np.arange(6)[order])).whole
    gapped = np.stack([samples, samples], axis=-1)[..., 0]
    assert from_user(gapped).whole == from_user(samples).whole


def test_labels_stay_with_their_samples_though_the_order_changes_later(monkeypatch):
    """What changes after the samples that are compared is not seen; a label never comes with another sample."""
    monkeypatch.setattr(given, "_LOOK", 256)
    numbers = tf.data.Dataset.range(600).map(lambda i: (tf.cast([i], tf.float32), 10 + i % 2))
    data = numbers.take(300).concatenate(numbers.skip(300).shuffle(300))
    source = from_user(data.apply(tf.data.experimental.assert_cardinality(600)))
    assert source.key is None  # so nothing is kept that other samples would not have
    for samples, labels in source.stream(100, 0, 0, labelled=True).take(6):
        np.testing.assert_array_equal(samples.numpy()[:, 0] % 2, labels.numpy())


def test_grey_images_of_pipelines_get_a_channel():
    for data in (dataset(np.zeros((3, 8, 8), np.uint8)), dataset(np.zeros((3, 8, 8), np.uint8), np.arange(3)).batch(2)):
        assert from_user(data).sample_shape == (8, 8, 1)


def test_faults_of_a_users_pipeline_are_one_line():
    once = iter(np.zeros((3, 1), np.float32))
    signature = tf.TensorSpec([1], tf.float32)
    data = tf.data.Dataset.from_generator(lambda: once, output_signature=signature)
    with pytest.raises(UserError, match="dataset=mine: cannot be read") as caught:
        from_user(data.apply(tf.data.experimental.assert_cardinality(3)), name="mine")
    assert "\n" not in str(caught.value)


def test_batches_of_images_of_no_fixed_number():
    signature = tf.TensorSpec([None, 8, 8, 1], tf.float32)
    batches = [np.zeros((count, 8, 8, 1), np.float32) for count in (3, 2)]
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    assert len(from_user(data.apply(tf.data.experimental.assert_cardinality(2)))) == 5


@pytest.mark.parametrize("labels", [np.array([10, 20, 10]), np.array(["x", "y", "x"], object)])
def test_classes_are_the_labels_that_occur(labels):
    source = from_user((np.zeros((3, 2)), labels))
    assert source.classes == 2 and source.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "data, said",
    [
        ((np.zeros((3, 2)), np.zeros(3), 1), "a tuple of 3"),
        ([[1.0], [2.0, 3.0]], "no array"),
        ((np.zeros((3, 2)), np.array([None, 1, 2])), "labels of object"),
        ((np.zeros((2, 2)), [[1], [2, 3]]), "no array"),
        (np.full((3, 2, 2, 1), -128, np.int8), "image values from -128"),
    ],
)
def test_arrays_that_cannot_be_used(data, said):
    with pytest.raises(UserError, match=f"dataset=mine: .*{said}"):
        from_user(data, name="mine")


def test_labels_of_arrays_may_have_an_axis_and_grey_images_need_none():
    source = from_user((np.zeros((3, 8, 8), np.uint8), np.array([[1], [0], [1]])))
    assert source.sample_shape == (8, 8, 1) and source.labels.tolist() == [1, 0, 1]


def test_images_that_may_have_another_range_are_noted():
    assert from_user(np.full((2, 4, 4, 1), 0.5)).summary.endswith("note: no value is below 0, and black is -1")
    assert "note" not in from_user(np.full((2, 4, 4, 1), -0.5)).summary


def test_images_of_8_bits_are_scaled():
    samples = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
    for data in (samples, dataset(samples), dataset(samples).batch(2)):
        np.testing.assert_allclose(values(from_user(data)).ravel(), [-1, -0.6, 1])


def test_labels_may_be_texts():
    source = from_user((np.zeros((3, 2)), np.array(["dog", "cat", "dog"])))
    assert source.classes == 2 and source.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("value, said", [(np.nan, "sample 150 holds NaN or Inf"), (200, "to 200 in sample 150")])
def test_arrays_are_checked_whole(value, said):
    samples = np.zeros((200, 2, 2, 1), np.float32)
    samples[150, 1, 1] = value
    with pytest.raises(UserError, match=f"dataset=mine:data: .*{said}"):
        from_user(samples, name="mine:data", rank=1, size=3)


@pytest.mark.parametrize("value, said", [(np.inf, "sample 150 holds NaN or Inf"), (-200, "sample 150 has .*200")])
def test_pipelines_are_checked_when_they_are_read(value, said):
    samples = np.zeros((200, 2, 2, 1), np.float32)
    samples[150, 1, 1] = value
    source = from_user(dataset(samples), name="mine:data", rank=0, size=3)
    next(iter(source.once(10)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"dataset=mine:data: {said}"):
        values(source)


def test_an_order_that_changes_is_refused():
    passes = iter(range(2, 9))

    def samples():
        yield from np.random.default_rng(next(passes)).permutation(30)[:, np.newaxis].astype(np.float32)

    signature = tf.TensorSpec([1], tf.float32)
    data = tf.data.Dataset.from_generator(samples, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(30))
    with pytest.raises(UserError, match="dataset=mine: sample .* is another one at each pass"):
        from_user(data, name="mine")


def test_images_in_numpy_files(tmp_path):
    pictures = np.random.default_rng(0).integers(256, size=(5, 4, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pictures)
    np.testing.assert_allclose(values(load(f"array:{tmp_path}/a.npy")), pictures / 127.5 - 1, atol=1e-6)
    np.savez(tmp_path / "b.npz", images=pictures[..., 0], labels=np.array([1, 1, 0, 0, 0]))
    source = load(f"array:{tmp_path}/b.npz", form=Form((2, 2), channels=3))
    assert source.sample_shape == (2, 2, 3) and source.classes == 2
    np.save(tmp_path / "deep.npy", np.array([0, 65535, 13107], np.uint16).reshape(3, 1, 1))
    np.testing.assert_allclose(values(load(f"array:{tmp_path}/deep.npy")).ravel(), [-1, 1, -0.6], atol=1e-6)


def test_arrays_of_a_file_that_are_not_read_are_named(tmp_path):
    images = np.zeros((3, 2, 2, 1), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, targets=np.arange(3), x_test=images)
    said = "3 samples of 2x2x1; no classes; not read: targets, x_test (labels are called labels, y, y_train, arr_1)"
    assert load(f"array:{tmp_path}/a.npz").summary == said
    np.savez(tmp_path / "b.npz", x_train=images, y_train=np.arange(3), x_test=images)
    assert load(f"array:{tmp_path}/b.npz").summary.endswith("; 3 classes: 0 1, 1 1, 2 1; not read: x_test")


@pytest.mark.parametrize("form", [Form(), Form((2, 2)), Form(channels=3)])
def test_numbers_out_of_range_are_found_before_images_are_fitted(form, tmp_path):
    pixels = np.zeros((3, 4, 4, 1), np.float32)
    pixels[1, 0, 0, 0] = 200
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(UserError, match=r"a.npy: image values from 0 to 200 in sample 1; scale all to"):
        load(f"array:{tmp_path}/a.npy", form=form)


def test_points_in_numpy_files(tmp_path):
    points = np.random.default_rng(0).standard_normal((5, 3))
    np.savez(tmp_path / "b.npz", x=points, y=np.array(["b", "a", "b", "a", "b"]))
    source = load(f"array:{tmp_path}/b.npz")
    np.testing.assert_array_equal(values(source), points.astype(np.float32))
    assert source.class_names == ("a", "b")
    with pytest.raises(UserError, match="holds points; leave out image_size and channels"):
        load(f"array:{tmp_path}/b.npz", form=Form(channels=1))
    load(f"array:{tmp_path}/b.npz", form=Form(background=(0, 0, 0)))  # a note says that it has no effect
    options = ImageOptions(dataset=f"array:{tmp_path}/b.npz", model="mlp", latent_size=2, width_g=4, width_d=4)
    generator, critic = nets.build(options, source.sample_shape, None)
    assert generator.output_shape == (None, 3) and critic.output_shape == (None, 1)
    with pytest.raises(UserError, match="^model=dcgan: made for images, not for points of 3 numbers; use .*model=mlp"):
        nets.build(dataclasses.replace(options, model="dcgan"), source.sample_shape, None)
    with pytest.raises(UserError, match=r"not for samples \(8, 8\); give grey images a channel \(x\[..., None\]\), or"):
        nets.build(dataclasses.replace(options, model="dcgan"), (8, 8), None)
    with pytest.raises(UserError, match=r"^model=dcgan: \(3, 8, 8\) has the channels first; give them last \(np.movea"):
        nets.build(dataclasses.replace(options, model="dcgan"), (3, 8, 8), None)


@pytest.mark.parametrize(
    "write, said",
    [
        (lambda path: path.write_text("no"), "no .npy or .npz file"),
        (lambda path: np.save(path.open("wb"), np.zeros((3, 2), int)), r"int64 \(3, 2\); give images .* or points"),
        (lambda path: np.save(path.open("wb"), np.zeros((3, 1, 8, 8))), r"\(3, 1, 8, 8\) has the channels first; give"),
        (lambda path: np.save(path.open("wb"), np.zeros((3, 8, 8, 2))), r"float64 \(3, 8, 8, 2\); give images"),
        (lambda path: np.save(path.open("wb"), np.array([[1.0], [np.nan]])), "sample 1 holds NaN or Inf"),
        (lambda path: np.save(path.open("wb"), np.zeros((3, 0))), r"float64 \(3, 0\); give images"),
        (
            lambda path: np.save(path.open("wb"), np.array([["a"]], object)),
            r"holds Python objects; save images of one size as one array of numbers, and texts by .astype",
        ),
        (lambda path: np.savez(path.open("wb"), pictures=np.zeros(3)), "holds pictures; call images or points images"),
        (lambda path: np.save(path.open("wb"), np.zeros((2, 4, 4, 1), bool)), "images of bool; give uint8"),
    ],
)
def test_numpy_files_that_cannot_be_used(tmp_path, write, said):
    write(tmp_path / "x.npz")
    with pytest.raises(UserError, match=f"dataset=array:.*: {said}") as caught:
        load(f"array:{tmp_path}/x.npz")
    assert "\n" not in str(caught.value)
