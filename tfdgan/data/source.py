"""Samples, and the order in which a learner sees them.

The order is a function of (seed, epoch, index): a resumed run continues at any step without having stored
anything, by arithmetic (arrays) or by skipping encoded records (streams).
"""

import functools
import hashlib

import numpy as np
import tensorflow as tf

from tfdgan.data import partition as parts
from tfdgan.errors import UserError

_SHUFFLE_RECORDS = 16_384  # encoded records held for shuffling
_GRAPH_SEED = 1
_PRIME = 4_294_967_291  # keeps (seed, epoch) apart for all seeds below it


class ArraySource:
    """Samples that can be read by index: arrays in memory, or files by their names.

    Args:
      items: [n, ...] array; what is stored of each sample.
      labels: int [n].
      decode: function from a tensor of one item to its float32 sample; None where items are samples.
      classes: labels are below it, on every learner; None where they mean nothing.
      state: function to a text that differs where what items name does; None: items are the samples.
      check: function that raises `UserError` if an item cannot be read.
      dtype: of samples that are items.

    Attributes:
      sample_shape, classes.
    """

    def __init__(self, items, labels, decode=None, *, classes=None, state=None, check=None, dtype="float32"):
        self._items, self._labels, self._decode = np.asarray(items), np.asarray(labels), decode
        self._dtype = dtype
        self.classes, self._state, self._check = classes, state, check

    @functools.cached_property
    def sample_shape(self):
        return tuple(self._as_samples(tf.constant(self._items[:1])).shape[1:]) if len(self) else ()

    def __len__(self):
        return len(self._items)

    @property
    def labels(self):
        return self._labels

    @functools.cached_property
    def key(self):
        """A text that differs where samples do."""
        content = hashlib.blake2b(np.ascontiguousarray(self._items), digest_size=12)
        content.update(self._state().encode() if self._state else b"")
        return f"{self._items.dtype} {self._items.shape} {content.hexdigest()} {self.sample_shape}"

    def check(self):
        """Raise `UserError` naming the first item that cannot be read; may read everything."""
        if self._check:
            self._check()

    def _as_samples(self, items):
        if self._decode is None:
            return tf.cast(items, self._dtype)
        return tf.map_fn(self._decode, items, fn_output_signature=tf.float32, parallel_iterations=8)

    def stream(self, count, seed, start, labelled=False):
        """Batches of `count` samples for ever, each epoch a new permutation, from batch number `start`.

        Returns:
          tf.data.Dataset of float32 [count, *sample_shape]; `labelled`: of pairs of these and labels int32 [count].
        """
        items, labels = tf.constant(self._items), tf.constant(self._labels.astype(np.int32))
        size = len(self)

        def batch(number):
            position = number * count + tf.range(count, dtype=tf.int64)
            epoch = position // size
            seeds = tf.stack([tf.fill([count], tf.constant(seed, tf.int64)), epoch, tf.zeros_like(epoch)], axis=1)
            # The raw op, since tf.random.experimental.index_shuffle pads a vector of seeds along the wrong axis.
            order = tf.raw_ops.RandomIndexShuffle(
                index=position % size, seed=seeds, max_index=tf.constant(size - 1, tf.int64), rounds=4
            )
            samples = tf.ensure_shape(self._as_samples(tf.gather(items, order)), [count, *self.sample_shape])
            return (samples, tf.gather(labels, order)) if labelled else samples

        numbers = tf.data.Dataset.range(start, np.iinfo(np.int64).max)
        return numbers.map(batch, num_parallel_calls=1 if self._decode is None else 2, deterministic=True)

    def once(self, batch):
        """Every sample once, in order: tf.data.Dataset of float32 [<= batch, *sample_shape]."""
        return self.numbered(batch).map(lambda _, samples: samples)

    def numbered(self, batch, part=(0, 1)):
        """Of `part` (i, n) the batches i, i + n, ...: tf.data.Dataset of (number of the batch, samples)."""
        batches = tf.data.Dataset.from_tensor_slices(self._items).batch(batch).enumerate().shard(part[1], part[0])
        return batches.map(lambda number, items: (number, self._as_samples(items)))


class RecordSource:
    """Samples that come as a stream of records.

    Args:
      records: a finite tf.data.Dataset with one order.
      count: how many records it has.
      decode: function from a record to a float32 sample.
      label: function from a record to its label; None where there are none.
      classes: as in `ArraySource`.
      key: a text that differs where records do; None where that is not known.

    Attributes:
      sample_shape, classes, key.
    """

    def __init__(self, records, count, decode, *, label=None, classes=None, key=None):
        self._records, self._count, self._decode, self._label = records, int(count), decode, label
        self.classes = classes
        self.key = key and f"{key} {self.sample_shape}"

    @functools.cached_property
    def sample_shape(self):
        return tuple(self._records.map(self._decode).element_spec.shape)

    def __len__(self):
        return self._count

    def stream(self, count, seed, start, labelled=False):
        """As `ArraySource.stream`; each epoch is shuffled through a window of 16,384 records."""
        first, offset = divmod(start * count, self._count)
        window = min(self._count, _SHUFFLE_RECORDS)

        def epoch(number):
            # This graph's own seed: the order depends on nothing global, and shuffle takes no tensor beside a global 0.
            tf.random.set_seed(_GRAPH_SEED)
            return self._records.shuffle(window, seed=number * _PRIME + seed % _PRIME, reshuffle_each_iteration=False)

        records = tf.data.Dataset.range(first, np.iinfo(np.int64).max).flat_map(epoch).skip(offset)

        def example(record):
            sample = self._decode(record)
            return (sample, tf.cast(self._label(record), tf.int32)) if labelled else sample

        return records.map(example, num_parallel_calls=2, deterministic=True).batch(count, drop_remainder=True)

    def once(self, batch):
        """As `ArraySource.once`."""
        return self.numbered(batch).map(lambda _, samples: samples)

    def numbered(self, batch, part=(0, 1)):
        """As `ArraySource.numbered`; every record is read, those of the part are decoded."""
        mine = self._records.enumerate().filter(lambda index, _: index // batch % part[1] == part[0])
        numbered = mine.map(
            lambda index, record: (index // batch, self._decode(record)), num_parallel_calls=2, deterministic=True
        )
        return numbered.batch(batch).map(lambda numbers, samples: (numbers[0], samples))

    def check(self):
        """Nothing: reading every record is what an epoch does."""


def of_sentences(words, styles, config, rank, size, classes=None):
    """A learner's shard of sentences, int32 [n, length], labelled with their styles, int [n]."""
    mine = parts.indices(styles, rank, size, config.partition)
    if not len(mine):
        share = f"learner {rank} of {size} gets no sentences"
        raise UserError(f"--dataset={config.dataset}: {share}; use fewer learners or more data")
    return ArraySource(words[mine], styles[mine], classes=classes, dtype="int32")


def from_user(data, rank=0, size=1, partition="iid", name="given"):
    """A learner's shard of the user's own data.

    Args:
      data: samples as an array [n, ...], a pair (samples, labels), or a finite tf.data.Dataset of samples with
        a known cardinality. Values are taken as they are.
      rank, size, partition: which part of how many, and how they are made.
      name: what --dataset names it by, for errors.
    """
    if isinstance(data, tf.data.Dataset):
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
    samples, labels = data if isinstance(data, tuple) else (data, None)
    samples = np.asarray(samples)
    if samples.ndim < 2 or samples.dtype.kind not in "fiu":
        raise UserError(
            f"--dataset={name}: an array of {samples.dtype} and shape {samples.shape}; give numbers [n, ...]"
        )
    if labels is None:
        if partition == "by_label":
            raise UserError(f"--partition=by_label: --dataset={name} has no labels; return (samples, labels)")
        labels, classes = np.zeros(len(samples), np.int64), None
    else:
        labels = np.asarray(labels)
        classes = int(labels.max(initial=-1)) + 1 if labels.dtype.kind in "iu" and labels.min(initial=0) >= 0 else None
    if labels.shape != samples.shape[:1]:
        raise UserError(
            f"--dataset={name}: {len(samples)} samples but labels of shape {labels.shape}; give one number each"
        )
    mine = parts.indices(labels, rank, size, partition)
    return ArraySource(samples[mine], labels[mine], classes=classes)
