"""Any image set of TensorFlow Datasets, read as a stream, decoded as late as possible."""

import dataclasses
import os
import re
import shlex
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.data import image_file, images, labels
from tfdgan.data import partition as parts
from tfdgan.data.records import RecordSource, chosen
from tfdgan.data.source import as_written
from tfdgan.errors import UserError


def load(
    name: str, *, data_dir: str, form: images.Form, rank: int, size: int, partition: str, split: str = "train"
) -> RecordSource:
    """A learner's part of a TFDS image set, as float32 [height, width, channels] in [-1, 1]. Nothing is downloaded.

    Args:
      name: as TFDS names it.
      data_dir: folder of prepared sets; TFDS's own if empty.
      form: what images are brought to.
      rank, size, partition: which part of how many, as `partition.indices` divides.
      split: as TFDS takes it: a name, or a slice of one, such as "train[:1000]".

    Raises:
      UserError: no such set, no images, or not prepared.
    """
    import tensorflow_datasets as tfds

    builder = _builder(tfds, name, data_dir)
    try:
        length = builder.info.splits[split].num_examples
    except (KeyError, ValueError, AssertionError) as error:
        there = ", ".join(sorted(builder.info.splits))
        raise UserError(
            f"--dataset={name}: has no split {split!r} (--split, --eval_split); it has {there}, or a slice of one, as "
            "'train[:1000]'"
        ) from error
    if length <= 0:  # of a slice that ends before it begins
        raise UserError(f"--dataset={name}: there are no images in the split {split!r}; take a longer slice")
    features = builder.info.features
    feature = features["image"] if "image" in features else None
    if not isinstance(feature, tfds.features.Image):
        raise UserError(f"--dataset={name}: not an image set (no feature named image)")
    if not form.size and None in feature.shape:
        raise UserError(f"--dataset={name}: its images differ in size; give --image_size")
    skip = {"image": tfds.decode.SkipDecoding()}

    def read(part: Any) -> tf.data.Dataset:
        return builder.as_dataset(split=part, decoders=skip, shuffle_files=False)

    def decode(record: Any) -> tf.Tensor:
        return images.to_sample(feature.decode_example(record["image"]), form)

    named = builder.info.splits[re.split(r"[\[+]", split)[0]]  # num_bytes, which slices lack, tells copies apart
    fitted = f" {form}" if form != images.AS_IT_IS else ""
    whole = f"{builder.info.full_name} {split} {named.num_bytes} {named.shard_lengths}"
    own, channels = (None if None in feature.shape else feature.shape[:2]), form.channels or feature.shape[-1]
    read_as = image_file.fit(dataclasses.replace(form, size=form.size or own, channels=channels), [own] if own else [])
    more: dict[str, Any] = {"key": f"{whole} {partition} {rank}/{size}{fitted}", "whole": whole}
    kinds: Any = features["label"] if "label" in features else None
    labelled = isinstance(kinds, tfds.features.ClassLabel) and bool(kinds.num_classes)
    classes = labels.described(None, kinds.names if labelled else ())
    more["summary"] = f"{builder.info.full_name}, {split}: {length:,} images read; {read_as}; {classes}"
    more["summary"] += labels.left_out(length, size)
    if labelled:
        more |= dict(label=lambda record: record["label"], classes=kinds.num_classes, class_names=kinds.names)
    if partition == "iid":
        part = tfds.even_splits(split, size, drop_remainder=True)[rank]
        return RecordSource(read(part), builder.info.splits[part].num_examples, decode, **more)
    if not labelled:
        raise UserError(f"--partition=by_label: {name} has no labels")
    found = np.array([int(label) for label in read(split).map(as_written(lambda record: record["label"]))])
    mine = parts.indices(found, rank, size, partition)
    return RecordSource(chosen(read(split), mine, len(found)), len(mine), decode, **more)


def _builder(tfds: ModuleType, name: str, data_dir: str) -> Any:
    where = data_dir or "the default data_dir"
    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        if os.path.exists(name):
            near = shlex.quote(f"--dataset={'folder' if os.path.isdir(name) else 'array'}:{name}")
            raise UserError(f"--dataset={name}: is a file or folder; did you mean {near}?") from error
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"--dataset={name}: not gaussians, digits, folder:PATH, array:PATH, tfrecord:PATH, package.module:function "
            f"or a dataset of TFDS in {where} ({reason[:150]})"
        ) from error
    if not builder.is_prepared():
        raise UserError(
            f"--dataset={name}: not prepared in {builder.data_dir}; give --data_dir, or prepare it once with "
            f"python -c \"import tensorflow_datasets as tfds; tfds.builder('{name}').download_and_prepare()\""
        )
    return builder
