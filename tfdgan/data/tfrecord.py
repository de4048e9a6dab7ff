"""Images in TFRecord files, as encoded bytes in a feature of tf.train.Examples."""

import functools
import glob
import gzip
import hashlib
import io
import os
import zlib
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tfdgan.data import image_file, images, labels
from tfdgan.data import partition as parts
from tfdgan.data.records import RecordSource, chosen
from tfdgan.data.source import as_written
from tfdgan.errors import UserError

_SHOWN = 3  # files that are named
_FRAME = 16  # bytes that a file holds beside each record: its length, checksums of both
_DAMAGE = (tf.errors.OpError, EOFError, zlib.error, gzip.BadGzipFile)
_KINDS = {"bytes_list": "bytes", "int64_list": "whole numbers", "float_list": "floats"}


def load(
    path: str, *, form: images.Form, feature: str, label_feature: str, rank: int, size: int, partition: str
) -> RecordSource:
    """A learner's part of the images in TFRecord files, as float32 [height, width, c] in [-1, 1].

    Every record is read here, and packed files (.gz) are unpacked twice: headers give size and channels, so that a
    record that holds no image is named before training. Records are decoded when they are needed.

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
    files, passed_over = _files(path, where)
    headers, found, whole = _looked_at(files, feature, label_feature, where)
    kinds, names = labels.numbered(found, where) if label_feature else (found, [])
    form = image_file.complete(form, headers, where)
    if partition == "by_label" and not label_feature:
        raise UserError(f"--partition=by_label: {where} has no labels; give --label_feature")
    mine = parts.indices(kinds, rank, size, partition)

    def read(example: Any, index: Any) -> np.ndarray:
        # Not through np.asarray, whose texts lose zeros at their end.
        record = tf.train.Example.FromString(example if isinstance(example, bytes) else example.item())
        content = record.features.feature[feature].bytes_list.value[0]
        opener, name = functools.partial(io.BytesIO, content), f"{where}, record {int(index)}, --feature={feature}"
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
        key=f"{whole} {feature} {label_feature} {partition} {rank}/{size} {form}",
        whole=whole,
        summary=f"{path}: {len(files):,} files{passed_over}, {len(kinds):,} images read; "
        + f"{image_file.fit(form, {header.size for header in headers})}; "
        + labels.described(kinds, names)
        + labels.left_out(len(kinds), size),
    )


def _files(path: str, where: str) -> tuple[list[str], str]:
    """(the files, what is said of those that were passed over)."""
    if os.path.isfile(path):
        return [path], ""
    found = sorted(glob.glob(os.path.join(glob.escape(path), "*") if os.path.isdir(path) else path))
    there = [file for file in found if os.path.isfile(file) and not os.path.basename(file).startswith(".")]
    # What writes records into a folder may describe them there, too.
    files = [file for file in there if "tfrec" in os.path.basename(file)] or there
    if not files:
        raise UserError(f"{where}: no such file, folder or pattern")
    others = [os.path.basename(file) for file in there if file not in files]
    names = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
    return files, f" ({len(others):,} passed over, without tfrec in their names: {names})" if others else ""


def _damaged(files: list[str]) -> str:
    """The first file that cannot be read to its end."""
    for file in files:
        try:
            if _length(file) != sum(len(record) + _FRAME for record in _records([file]).as_numpy_iterator()):
                return file
        except _DAMAGE:
            return file
    return ", ".join(files[:_SHOWN])


def _length(file: str) -> int:
    """The bytes of all frames of a file. TensorFlow takes a file that ends inside a frame's head for a whole one."""
    if not file.endswith(".gz"):
        return os.path.getsize(file)
    with gzip.open(file) as stream:
        return stream.seek(0, io.SEEK_END)


def _records(files: list[str]) -> tf.data.Dataset:
    packing = ["GZIP" if file.endswith(".gz") else "" for file in files]
    return tf.data.Dataset.from_tensor_slices((files, packing)).flat_map(as_written(tf.data.TFRecordDataset))


def _looked_at(
    files: list[str], feature: str, label_feature: str, where: str
) -> tuple[list[image_file.Header], np.ndarray, str]:
    """(the header of each record's image, labels int64 [n], zeros without them; a hash of all records)."""
    headers, found_labels, content = list[image_file.Header](), list[int](), hashlib.blake2b(digest_size=12)
    length = 0
    wanted = [("feature", feature, "bytes_list")]
    if label_feature:
        wanted.append(("label_feature", label_feature, "int64_list"))
    try:
        for index, record in enumerate(_records(files).as_numpy_iterator()):
            found = tf.train.Example.FromString(record).features.feature
            content.update(len(record).to_bytes(8, "little") + record)
            length += len(record) + _FRAME
            for flag, name, kind in wanted:
                if name not in found or len(getattr(found[name], kind).value) != 1:
                    raise UserError(f"--{flag}={name}: record {index} of {where} {_instead(found, name, kind)}")
            opener = functools.partial(io.BytesIO, found[feature].bytes_list.value[0])
            headers.append(image_file.header(opener, f"{where}, record {index}, --feature={feature}"))
            found_labels.append(found[label_feature].int64_list.value[0] if label_feature else 0)
        if length != sum(map(_length, files)):
            raise EOFError
    except _DAMAGE as error:
        raise UserError(f"{where}: no TFRecord file, or a damaged one: {_damaged(files)}") from error
    except DecodeError as error:
        raise UserError(f"{where}: its records are no tf.train.Examples") from error
    if not headers:
        raise UserError(f"{where}: holds no records")
    return headers, np.array(found_labels, np.int64), content.hexdigest()


def _instead(found: Any, name: str, kind: str) -> str:
    """What a record has in place of one value of the kind in the feature `name`."""
    if name not in found:
        return f"has no such feature of one value, but {', '.join(sorted(found)) or 'none'}"
    held = found[name].WhichOneof("kind")
    if held == kind:
        return f"has {len(getattr(found[name], kind).value)} values there; one is wanted"
    return f"holds {_KINDS.get(held, 'nothing')} there; {_KINDS[kind]} are wanted"
