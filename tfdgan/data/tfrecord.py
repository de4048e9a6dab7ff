"""Images in TFRecord files, as encoded bytes in a feature of tf.train.Examples."""

import functools
import glob
import io
import os
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tfdgan.data import image_file, images, labels
from tfdgan.data import partition as parts
from tfdgan.data.records import RecordSource, chosen
from tfdgan.data.source import as_written
from tfdgan.errors import UserError


def load(
    path: str, *, form: images.Form, feature: str, label_feature: str, rank: int, size: int, partition: str
) -> RecordSource:
    """A learner's part of the images in TFRecord files, as float32 [height, width, c] in [-1, 1].

    Every record is read once, here: its header gives size and channels, so that a record that holds no image is named
    before training. Records are decoded when they are needed.

    Args:
      path: a file, a folder all of whose files are meant, or a pattern with * or ?.
      form: what images are brought to; without a size all must have the same.
      feature: the bytes feature that holds an encoded image.
      label_feature: the int64 feature that holds the class; "" for none.
      rank, size, partition: which part of how many, as `partition.indices` divides.

    Raises:
      UserError: no such files, no such feature, images that differ in size without a size to bring them to.
    """
    where = f"--dataset=tfrecord:{path}"
    files = _files(path, where)
    headers, found = _looked_at(files, feature, label_feature, where)
    kinds, names = labels.numbered(found, where) if label_feature else (found, [])
    form = image_file.complete(form, headers, where)
    if partition == "by_label" and not label_feature:
        raise UserError(f"--partition=by_label: {where} has no labels; give --label_feature")
    mine = parts.indices(kinds, rank, size, partition)

    def read(example: Any, index: Any) -> np.ndarray:
        # Not through np.asarray, whose texts lose zeros at their end.
        record = tf.train.Example.FromString(example if isinstance(example, bytes) else example.item())
        content = record.features.feature[feature].bytes_list.value[0]
        opener, name = functools.partial(io.BytesIO, content), f"{where}, record {int(index)}"
        return image_file.pixels(opener, name, form.channels, form.background).astype(np.float32)

    def decode(record: Any) -> tf.Tensor:
        pixels = tf.numpy_function(read, [record["example"], record["index"]], tf.float32, stateful=False)
        return images.to_sample(tf.ensure_shape(pixels, [None, None, form.channels]), form)

    @as_written
    def record_of(index: tf.Tensor, example: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"index": index, "example": example, "label": tf.constant(kinds)[index]}

    records = chosen(_records(files).enumerate().map(record_of), mine, len(kinds))
    return RecordSource(
        records,
        len(mine),
        decode,
        label=(lambda record: record["label"]) if label_feature else None,
        classes=len(names) or None,
        class_names=names,
        summary=f"{path}: {len(files):,} files, {len(kinds):,} images read; {image_file.fit(form, headers)}; "
        + labels.described(kinds, names)
        + labels.left_out(len(kinds), size),
    )


def _files(path: str, where: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    found = sorted(glob.glob(os.path.join(glob.escape(path), "*") if os.path.isdir(path) else path))
    files = [file for file in found if os.path.isfile(file) and not os.path.basename(file).startswith(".")]
    # What writes records into a folder may describe them there, too.
    files = [file for file in files if "tfrecord" in os.path.basename(file)] or files
    if not files:
        raise UserError(f"{where}: no such file, folder or pattern")
    return files


def _records(files: list[str]) -> tf.data.TFRecordDataset:
    return tf.data.TFRecordDataset(files, "GZIP" if all(file.endswith(".gz") for file in files) else "")


def _looked_at(
    files: list[str], feature: str, label_feature: str, where: str
) -> tuple[list[image_file.Header], np.ndarray]:
    """(the header of each record's image, labels int64 [n], zeros without them)."""
    headers, found_labels = list[image_file.Header](), list[int]()
    wanted = [("feature", feature, "bytes_list")]
    if label_feature:
        wanted.append(("label_feature", label_feature, "int64_list"))
    try:
        for index, record in enumerate(_records(files).as_numpy_iterator()):
            found = tf.train.Example.FromString(record).features.feature
            for flag, name, kind in wanted:
                if name not in found or len(getattr(found[name], kind).value) != 1:
                    there = ", ".join(sorted(found)) or "none"
                    raise UserError(
                        f"--{flag}={name}: record {index} of {where} has no such feature of one value, but {there}"
                    )
            opener = functools.partial(io.BytesIO, found[feature].bytes_list.value[0])
            headers.append(image_file.header(opener, f"{where}, record {index}"))
            found_labels.append(found[label_feature].int64_list.value[0] if label_feature else 0)
    except tf.errors.OpError as error:
        raise UserError(f"{where}: no TFRecord file, or a damaged one, among {', '.join(files[:3])}") from error
    except DecodeError as error:
        raise UserError(f"{where}: its records are no tf.train.Examples") from error
    if not headers:
        raise UserError(f"{where}: holds no records")
    return headers, np.array(found_labels, np.int64)
