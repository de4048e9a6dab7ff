"""The user's own data: arrays and pipelines."""

import itertools
import re
import zlib
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.data import images, labels
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource
from tfdgan.data.records import RecordSource, chosen
from tfdgan.data.source import Source, as_written
from tfdgan.errors import UserError

_AT_ONCE = 1 << 24  # numbers that are checked at once
_LOOK, _LEAST = 1 << 27, 256  # numbers, and samples, at least, by which two passes of a pipeline are compared
_MOST_CHANNELS = 4  # of an image in a pipeline; what has more is a batch of grey ones
_SLACK = 1e-3  # beyond [-1, 1], of rounding


def from_user(
    data: Any, rank: int = 0, size: int = 1, partition: str = "iid", name: str = "given", note: str = ""
) -> Source:
    """A learner's shard of the user's own data.

    Images are uint8 [h, w, c], which are scaled to [-1, 1], or floats in [-1, 1]; all else is taken as it is. Arrays
    are checked whole, here; the samples of a pipeline when they are read.

    Args:
      data: samples as an array [n, ...], a pair (samples, labels), or a finite tf.data.Dataset of samples or of such
        pairs, batched or not, with a known cardinality, that gives the same at each pass, which is checked of the
        first 2^27 numbers and at least 256 samples. Batches have a first axis of no fixed length, or labels. Labels are
        whole numbers or, in arrays, texts; classes are those that occur, numbered in their order.
      rank, size: which part of how many.
      partition: "iid" or "by_label", as `partition.indices` divides.
      name: what `--dataset` names the data by, for errors.
      note: what else is to be said of the data, for the source's summary.

    Raises:
      UserError: data of another kind, data that cannot be divided so, NaN, Inf, or images out of range.
    """
    where = f"--dataset={name}"
    if isinstance(data, tf.data.Dataset):
        try:
            return _of_dataset(data, rank, size, partition, where, note)
        except tf.errors.OpError as error:
            reason = fault_in(error) or f"{where}: cannot be read ({type(error).__name__}: {_first_line(error)})"
            raise UserError(reason) from error
    if isinstance(data, tuple) and len(data) != 2:
        raise UserError(f"{where}: a tuple of {len(data)}; give samples, or (samples, labels)")
    samples, given = data if isinstance(data, tuple) else (data, None)
    try:
        samples, given = np.asarray(samples), None if given is None else np.asarray(given)
    except ValueError as error:
        raise UserError(f"{where}: no array ({str(error)[:100]}); give numbers [n, ...]") from error
    if samples.ndim < 2 or samples.dtype.kind not in "fiu":
        raise UserError(f"{where}: an array of {samples.dtype} and shape {samples.shape}; give numbers [n, ...]")
    if samples.ndim == 3 and samples.dtype == np.uint8:  # grey images
        samples = samples[..., np.newaxis]
    kinds, names = np.zeros(len(samples), np.int64), list[str]()
    if given is not None:
        shape = np.shape(given)
        if shape not in (samples.shape[:1], (len(samples), 1)):
            raise UserError(f"{where}: {len(samples)} samples but labels of shape {shape}; give one number each")
        kinds, names = labels.numbered(np.reshape(given, -1), where)
    elif partition == "by_label":
        raise UserError(f"--partition=by_label: {where} has no labels; return (samples, labels)")
    scaled = samples.ndim == 4 and samples.dtype == np.uint8
    if not scaled:
        check_values(samples, where)
    mine = parts.indices(kinds, rank, size, partition)
    return ArraySource(
        samples[mine],
        kinds[mine],
        classes=len(names) or None,
        class_names=names,
        as_samples=images.scaled if scaled else None,
        whole=_checksum(samples, kinds),
        summary=_summary(kinds, names, samples.shape[1:], size) + _doubt(samples) + note,
    )


def _checksum(*arrays: np.ndarray) -> str:
    """Of the numbers in arrays."""
    found = 0
    for array in arrays:
        rows = max(1, _AT_ONCE // max(1, array[:1].size))
        for first in range(0, len(array), rows):  # of which some arrays are copied, since they have gaps
            found = zlib.crc32(np.ascontiguousarray(array[first : first + rows]).data, found)
    return f"{found:08x}"


def _doubt(samples: np.ndarray) -> str:
    """What is said of float images that may have another range than [-1, 1]."""
    if samples.ndim == 4 and samples.dtype.kind == "f" and samples.min(initial=0) >= 0:
        return "; note: no value is below 0, and black is -1"
    return ""


def fault_in(error: Exception) -> str | None:
    """What an error of TensorFlow says of a sample of a pipeline; None if it says nothing of one."""
    text = str(error)
    found = re.search(r"assertion failed: \[(--dataset=[^\n]*?)\](?:\s|$)", text)
    found = found or re.search(r"\bUserError: ([^\n]*)", text)  # of a file that was sound when training began
    return found[1].strip() if found else None


def _summary(kinds: np.ndarray, names: list[str], shape: Any, size: int) -> str:
    text = f"{len(kinds):,} samples of {'x'.join(map(str, shape))}; {labels.described(kinds, names)}"
    return text + labels.left_out(len(kinds), size)


def check_values(samples: np.ndarray, where: str) -> None:
    """Raise `UserError` that names the first sample with NaN, Inf or, of images, a number out of [-1, 1]."""
    are_images = samples.ndim == 4
    if not samples.size or (samples.dtype.kind != "f" and not are_images):
        return
    rows = max(1, _AT_ONCE // max(1, samples[:1].size))
    for first in range(0, len(samples), rows):
        chunk = samples[first : first + rows].reshape(len(samples[first : first + rows]), -1)
        low, high = chunk.min(axis=1), chunk.max(axis=1)  # NaN stays NaN
        finite = np.isfinite(low) & np.isfinite(high)
        if not finite.all():
            raise UserError(f"{where}: sample {first + int(np.argmin(finite))} holds NaN or Inf; remove it")
        within = (low >= -1 - _SLACK) & (high <= 1 + _SLACK)
        if are_images and not within.all():
            index = int(np.argmin(within))
            raise UserError(
                f"{where}: image values from {float(low[index]):.4g} to {float(high[index]):.4g} in sample "
                f"{first + index}; scale all to [-1, 1], or give uint8"
            )


def _of_dataset(data: tf.data.Dataset, rank: int, size: int, partition: str, where: str, note: str) -> Source:
    data, labelled = _single(data, where)
    if partition == "by_label" and not labelled:
        raise UserError(f"--partition=by_label: {where} is a tf.data.Dataset without labels; return (samples, labels)")
    looked_at, whole = _check_order(data, where)
    total = int(data.cardinality())
    spec = tf.nest.flatten(data.element_spec)[0]
    kinds, names = np.zeros(total, np.int64), list[str]()
    if labelled:
        read = [np.reshape(label, ()) for label in data.map(as_written(lambda _, label: label)).as_numpy_iterator()]
        kinds, names = labels.numbered(read, where)
        occurring = np.unique(read).astype(np.int64)

    @as_written
    def record_of(index: tf.Tensor, element: Any) -> dict[str, tf.Tensor]:
        sample, *label = tf.nest.flatten(element)
        numbered = [tf.searchsorted(occurring, tf.reshape(tf.cast(one, tf.int64), [1]))[0] for one in label]
        return {"index": index, "sample": sample, **({"label": numbered[0]} if numbered else {})}

    def decode(record: Any) -> tf.Tensor:
        index, sample = record["index"], record["sample"]
        if spec.dtype == tf.uint8 and spec.shape.rank == 3:
            return images.scaled(sample)
        sample = tf.cast(sample, tf.float32)
        with tf.control_dependencies(_assertions(index, sample, where)):
            return tf.identity(sample)

    mine = parts.indices(kinds, rank, size, partition)
    return RecordSource(
        chosen(data.enumerate().map(record_of), mine, total),
        len(mine),
        decode,
        label=(lambda record: record["label"]) if labelled else None,
        classes=len(names) or None,
        class_names=names,
        key=f"{whole} {partition} {rank}/{size}" if looked_at == total else None,
        whole=whole,
        summary=_summary(kinds, names, spec.shape, size) + note,
    )


def _single(data: tf.data.Dataset, where: str) -> tuple[tf.data.Dataset, bool]:
    """(the dataset of single samples, counted; whether of pairs with labels)."""
    spec = data.element_spec
    pair = isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)
    if not (pair or isinstance(spec, tf.TensorSpec)):
        raise UserError(
            f"{where}: its elements are {type(spec).__name__}s; map them to one sample each, or to (sample, label)"
        )
    samples = spec[0] if pair else spec
    if samples.shape.rank is None or (pair and spec[1].shape.rank is None):
        raise UserError(f"{where}: samples of unknown shape; give the dataset an output_signature")
    if not (samples.dtype.is_floating or samples.dtype.is_integer):
        raise UserError(f"{where}: samples of {samples.dtype.name}; map them to numbers")
    if pair and not spec[1].dtype.is_integer:
        raise UserError(f"{where}: labels of {spec[1].dtype.name}; map them to whole numbers")
    if int(data.cardinality()) < 0:
        raise UserError(f"{where}: its cardinality is unknown or infinite; give a finite one (assert_cardinality)")
    batched = _is_batched(samples.shape, spec[1].shape if pair else None, where)
    if None in samples.shape[1 if batched else 0 :]:
        raise UserError(f"{where}: samples of shape {samples.shape}, which differ in size; bring them to one")
    _check_is_image(samples.shape[1 if batched else 0 :], where)
    if not batched:
        return (_with_channel(data, pair) if samples.shape.rank == 2 and samples.dtype == tf.uint8 else data), pair
    sizes = data.map(as_written(lambda *batch: tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]))
    total = sizes.reduce(np.int64(0), as_written(lambda total, count: total + count))
    data = data.unbatch().apply(tf.data.experimental.assert_cardinality(total))
    return (_with_channel(data, pair) if samples.shape.rank == 3 and samples.dtype == tf.uint8 else data), pair


def _check_is_image(shape: tf.TensorShape, where: str) -> None:
    """Raise `UserError` if what looks like one image must be several grey ones: a batch of a fixed length."""
    if shape.rank == 3 and shape[-1] > _MOST_CHANNELS:
        raise UserError(
            f"{where}: samples of shape {shape}, which are no images [height, width, channels]; give single images "
            "(unbatch), with the channels last"
        )


def _with_channel(data: tf.data.Dataset, pair: bool) -> tf.data.Dataset:
    """Grey images [h, w] as [h, w, 1]."""
    if pair:
        return data.map(as_written(lambda image, label: (image[..., tf.newaxis], label)))
    return data.map(as_written(lambda image: image[..., tf.newaxis]))


def _first_line(error: tf.errors.OpError) -> str:
    lines = [line for line in str(error.message).splitlines() if line.strip()]
    return lines[0][-150:] if lines else ""


def _is_batched(sample: tf.TensorShape, label: tf.TensorShape | None, where: str) -> bool:
    """Whether an element is a batch: by its labels if there are any, else images by their axes, all else by the first.

    A label has no axis, or one of length 1; a first axis that has no fixed length is a batch's.
    """
    if label is None:
        image = sample.rank == 3 and sample[-1] in (1, 3)
        return sample.rank > 1 and not image and (sample[0] is None or (sample.rank == 4 and sample[-1] in (1, 3)))
    kept = [length for length in label if length != 1]
    of_image = sample.rank == 3 and sample[-1] in (1, 3) and kept and None not in kept
    if not kept and not (label.rank and sample.rank == 4):
        return False
    if len(kept) <= 1 and label.rank and not of_image and (label[0] == sample[0] or None in (label[0], sample[0])):
        return True
    raise UserError(f"{where}: labels of shape {label} beside samples of {sample}; map them to one whole number each")


def _check_order(data: tf.data.Dataset, where: str) -> tuple[int, str]:
    """(number of the first samples that were looked at, their checksum).

    Raises `UserError` if two passes differ: learners would see some samples twice, and others never.
    """
    shape = tf.nest.flatten(data.element_spec)[0].shape
    look_at = max(_LEAST, _LOOK // max(1, shape.num_elements() or 1))

    def look() -> list[int]:
        return [
            zlib.crc32(b"".join(np.ascontiguousarray(part).tobytes() for part in tf.nest.flatten(element)))
            for element in data.take(look_at).as_numpy_iterator()
        ]

    one, two = look(), look()
    for index, (first, second) in enumerate(itertools.zip_longest(one, two)):
        if first != second:
            raise UserError(
                f"{where}: sample {index} is another one at each pass; leave out shuffle, which training does, and "
                "what changes samples at random"
            )
    return len(one), _checksum(np.array(one, np.int64))


def _assertions(index: tf.Tensor, sample: tf.Tensor, where: str) -> list[tf.Operation]:
    """Ops that fail, in one line, where a sample cannot be used."""
    most = tf.reduce_max(tf.abs(sample))
    finite = tf.math.is_finite(most)
    said = tf.strings.format(f"{where}: sample {{}} holds NaN or Inf; remove it", index)
    checks = [tf.debugging.Assert(finite, [said])]
    if sample.shape.rank == 3:
        said = tf.strings.format(
            f"{where}: sample {{}} has image values up to {{}}; scale all to [-1, 1], or give uint8", (index, most)
        )
        checks.append(tf.debugging.Assert((most <= 1 + _SLACK) | ~finite, [said]))
    return checks
