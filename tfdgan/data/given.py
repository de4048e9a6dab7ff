"""The user's own data."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource
from tfdgan.data.records import RecordSource
from tfdgan.data.source import Source
from tfdgan.errors import UserError


def from_user(data: Any, rank: int = 0, size: int = 1, partition: str = "iid", name: str = "given") -> Source:
    """A learner's shard of the user's own data. Values are taken as they are.

    Args:
      data: samples as an array [n, ...], a pair (samples, labels), or a finite tf.data.Dataset of samples with
        a known cardinality.
      rank, size: which part of how many.
      partition: "iid" or "by_label", as `partition.indices` divides.
      name: what `--dataset` names the data by, for errors.

    Raises:
      UserError: data of another kind, or data that cannot be divided so.
    """
    if isinstance(data, tf.data.Dataset):
        return _of_dataset(data, rank, size, partition, name)
    samples, labels = data if isinstance(data, tuple) else (data, None)
    samples = np.asarray(samples)
    if samples.ndim < 2 or samples.dtype.kind not in "fiu":
        raise UserError(
            f"--dataset={name}: an array of {samples.dtype} and shape {samples.shape}; give numbers [n, ...]"
        )
    classes = None
    if labels is None:
        if partition == "by_label":
            raise UserError(f"--partition=by_label: --dataset={name} has no labels; return (samples, labels)")
        labels = np.zeros(len(samples), np.int64)
    else:
        labels = np.asarray(labels)
        if labels.dtype.kind in "iu" and labels.min(initial=0) >= 0:
            classes = int(labels.max(initial=-1)) + 1
    if labels.shape != samples.shape[:1]:
        raise UserError(
            f"--dataset={name}: {len(samples)} samples but labels of shape {labels.shape}; give one number each"
        )
    mine = parts.indices(labels, rank, size, partition)
    return ArraySource(samples[mine], labels[mine], classes=classes)


def _of_dataset(data: tf.data.Dataset, rank: int, size: int, partition: str, name: str) -> Source:
    if not isinstance(data.element_spec, tf.TensorSpec):
        raise UserError(
            f"--dataset={name}: its elements are {type(data.element_spec).__name__}s; map them to one sample each"
        )
    total = int(data.cardinality())
    if total < 0:
        raise UserError(
            f"--dataset={name}: its cardinality is unknown or infinite; give a finite one (assert_cardinality)"
        )
    if partition == "by_label":
        raise UserError(
            f"--partition=by_label: --dataset={name} is a tf.data.Dataset without labels; return (samples, labels)"
        )
    shard = data.take(total // size * size).shard(size, rank)
    return RecordSource(shard, total // size, lambda sample: tf.cast(sample, tf.float32))
