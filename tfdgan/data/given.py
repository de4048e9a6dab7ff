"""The user's own data: arrays and pipelines."""

import zlib
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.data import images
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource
from tfdgan.data.records import RecordSource, chosen
from tfdgan.data.source import Source, as_written
from tfdgan.errors import UserError

_AT_ONCE = 1 << 24  # numbers that are checked at once
_LOOK = 256  # samples by which two passes are compared
_SLACK = 1e-3  # beyond [-1, 1], of rounding


def from_user(data: Any, rank: int = 0, size: int = 1, partition: str = "iid", name: str = "given") -> Source:
    """A learner's shard of the user's own data.

    Images are uint8 [h, w, c], which are scaled to [-1, 1], or floats in [-1, 1]; all else is taken as it is. Arrays
    are checked whole, here; the samples of a pipeline when they are read.

    Args:
      data: samples as an array [n, ...], a pair (samples, labels), or a finite tf.data.Dataset of samples or of such
        pairs, batched or not, with a known cardinality, that gives the same at each pass. Labels are whole numbers from
        0, in arrays also texts.
      rank, size: which part of how many.
      partition: "iid" or "by_label", as `partition.indices` divides.
      name: what `--dataset` names the data by, for errors.

    Raises:
      UserError: data of another kind, data that cannot be divided so, NaN, Inf, or images out of range.
    """
    if isinstance(data, tf.data.Dataset):
        return _of_dataset(data, rank, size, partition, name)
    samples, labels = data if isinstance(data, tuple) else (data, None)
    samples = np.asarray(samples)
    if samples.ndim < 2 or samples.dtype.kind not in "fiu":
        raise UserError(
            f"--dataset={name}: an array of {samples.dtype} and shape {samples.shape}; give numbers [n, ...]"
        )
    labels, classes = _labels(labels, samples, partition, name)
    scaled = samples.ndim == 4 and samples.dtype == np.uint8
    if not scaled:
        _check_values(samples, name)
    mine = parts.indices(labels, rank, size, partition)
    left = len(samples) - size * len(mine)
    text = f"{len(samples):,} samples of {'x'.join(map(str, samples.shape[1:]))}"
    if left:
        text += f", of which {left} are left out so that {size} learners have as many"
    return ArraySource(
        samples[mine], labels[mine], classes=classes, as_samples=images.scaled if scaled else None, summary=text
    )


def _labels(labels: Any, samples: np.ndarray, partition: str, name: str) -> tuple[np.ndarray, int | None]:
    """(whole numbers [n], how many classes; None if they are no classes)."""
    if labels is None:
        if partition == "by_label":
            raise UserError(f"--partition=by_label: --dataset={name} has no labels; return (samples, labels)")
        return np.zeros(len(samples), np.int64), None
    labels = np.asarray(labels)
    if labels.shape != samples.shape[:1]:
        raise UserError(
            f"--dataset={name}: {len(samples)} samples but labels of shape {labels.shape}; give one number each"
        )
    if labels.dtype.kind in "US":
        kinds, labels = np.unique(labels, return_inverse=True)
        return labels, len(kinds)
    if labels.dtype.kind in "iu" and labels.min(initial=0) >= 0:
        return labels, int(labels.max(initial=-1)) + 1
    return labels, None


def _check_values(samples: np.ndarray, name: str) -> None:
    """Raise `UserError` that names the first sample with NaN, Inf or, of images, a number out of [-1, 1]."""
    are_images = samples.ndim == 4
    if samples.dtype.kind != "f" and not are_images:
        return
    rows = max(1, _AT_ONCE // max(1, samples[0].size if len(samples) else 1))
    for first in range(0, len(samples), rows):
        chunk = samples[first : first + rows].reshape(len(samples[first : first + rows]), -1)
        most = np.abs(chunk).max(axis=1, initial=0)  # NaN stays NaN
        for bad in (~np.isfinite(most), most > 1 + _SLACK if are_images else None):
            if bad is None or not bad.any():
                continue
            index = first + int(np.argmax(bad))
            if not np.isfinite(most[index - first]):
                raise UserError(f"--dataset={name}: sample {index} holds NaN or Inf; remove it")
            low, high = float(samples[index].min()), float(samples[index].max())
            raise UserError(
                f"--dataset={name}: image values from {low:.4g} to {high:.4g} in sample {index}; scale all to [-1, 1], "
                "or give uint8"
            )


def _of_dataset(data: tf.data.Dataset, rank: int, size: int, partition: str, name: str) -> Source:
    data, labelled = _single(data, name)
    total = _count(data, name)
    _check_order(data, name)
    spec = tf.nest.flatten(data.element_spec)[0]

    @as_written
    def record_of(index: tf.Tensor, element: Any) -> dict[str, tf.Tensor]:
        parts = tf.nest.flatten(element)
        return {"index": index, "sample": parts[0], **({"label": parts[1]} if labelled else {})}

    numbered = data.enumerate().map(record_of)

    def decode(record: Any) -> tf.Tensor:
        index, sample = record["index"], record["sample"]
        if spec.dtype == tf.uint8 and spec.shape.rank == 3:
            return images.scaled(sample)
        sample = tf.cast(sample, tf.float32)
        with tf.control_dependencies(_assertions(index, sample, name)):
            return tf.identity(sample)

    text = f"{total:,} samples of {'x'.join(map(str, spec.shape))}"
    if left := total % size:
        text += f", of which {left} are left out so that {size} learners have as many"
    if not labelled:
        if partition == "by_label":
            raise UserError(
                f"--partition=by_label: --dataset={name} is a tf.data.Dataset without labels; return (samples, labels)"
            )
        shard = numbered.take(total // size * size).shard(size, rank)
        return RecordSource(shard, total // size, decode, summary=text)
    labels = np.array([int(label) for label in data.map(as_written(lambda _, label: label))])
    classes = int(labels.max(initial=-1)) + 1 if labels.min(initial=0) >= 0 else None
    mine = parts.indices(labels, rank, size, partition)
    return RecordSource(
        chosen(numbered, mine, total),
        len(mine),
        decode,
        label=lambda record: record["label"],
        classes=classes,
        summary=text,
    )


def _single(data: tf.data.Dataset, name: str) -> tuple[tf.data.Dataset, bool]:
    """(the dataset of single samples, whether of pairs with labels)."""
    spec = data.element_spec
    pair = isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)
    if not (pair or isinstance(spec, tf.TensorSpec)):
        raise UserError(
            f"--dataset={name}: its elements are {type(spec).__name__}s; map them to one sample each, or to pairs "
            "(sample, label)"
        )
    samples = spec[0] if pair else spec
    if not (samples.dtype.is_floating or samples.dtype.is_integer):
        raise UserError(f"--dataset={name}: samples of {samples.dtype.name}; map them to numbers")
    if pair and not spec[1].dtype.is_integer:
        raise UserError(f"--dataset={name}: labels of {spec[1].dtype.name}; map them to whole numbers from 0")
    # In a batch labels have an axis, images four; without labels a first axis of no fixed length is the batch's.
    rank = samples.shape.rank
    batched = spec[1].shape.rank == 1 if pair else rank == 4 or (rank is not None and rank > 1 and not samples.shape[0])
    if int(data.cardinality()) < 0 and not batched:
        _refuse_length(name)
    return (_with_length(data, name) if batched else data), pair


def _with_length(batches: tf.data.Dataset, name: str) -> tf.data.Dataset:
    """The samples of batches, counted."""
    if int(batches.cardinality()) < 0:
        _refuse_length(name)
    sizes = batches.map(as_written(lambda *batch: tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]))
    total = sizes.reduce(np.int64(0), as_written(lambda total, count: total + count))
    return batches.unbatch().apply(tf.data.experimental.assert_cardinality(total))


def _count(data: tf.data.Dataset, name: str) -> int:
    total = int(data.cardinality())
    if total < 0:
        _refuse_length(name)
    return total


def _refuse_length(name: str) -> None:
    raise UserError(f"--dataset={name}: its cardinality is unknown or infinite; give a finite one (assert_cardinality)")


def _check_order(data: tf.data.Dataset, name: str) -> None:
    """Raise `UserError` if two passes differ: learners would see some samples twice, and others never."""

    def look() -> list[int]:
        return [
            zlib.crc32(b"".join(np.ascontiguousarray(part).tobytes() for part in tf.nest.flatten(element)))
            for element in data.take(_LOOK).as_numpy_iterator()
        ]

    first, second = look(), look()
    for index, pair in enumerate(zip(first, second, strict=True)):
        if pair[0] != pair[1]:
            raise UserError(
                f"--dataset={name}: sample {index} is another one at each pass; leave out shuffle, which training "
                "does, and what changes samples at random"
            )


def _assertions(index: tf.Tensor, sample: tf.Tensor, name: str) -> list[tf.Operation]:
    """Ops that fail, in one line, where a sample cannot be used."""
    most = tf.reduce_max(tf.abs(sample))
    finite = tf.math.is_finite(most)
    said = tf.strings.format(f"--dataset={name}: sample {{}} holds NaN or Inf; remove it", index)
    checks = [tf.debugging.Assert(finite, [said])]
    if sample.shape.rank == 3:
        said = tf.strings.format(
            f"--dataset={name}: sample {{}} has image values up to {{}}; scale all to [-1, 1], or give uint8",
            (index, most),
        )
        checks.append(tf.debugging.Assert((most <= 1 + _SLACK) | ~finite, [said]))
    return checks
