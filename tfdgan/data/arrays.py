"""Samples that are read by index: arrays in memory, or files by their names."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.data.source import Source, as_written


class ArraySource(Source):
    """Samples that are read by index.

    Args:
      items: [n, ...] array; what is stored of each sample.
      labels: int [n].
      decode: function from a tensor of one item to its float32 sample, which AutoGraph does not convert; None where
        items are samples.
      as_samples: function from a tensor of items to float32 samples of their shape, in place of `decode`.
      classes: labels are below this number, on every learner; None where labels mean nothing.
      class_names: as `Source` says.
      state: function that returns a text. The text changes when what the items stand for changes, such as the files
        that they name. None where items are samples.
      check: function that raises `UserError` if an item cannot be read.
      dtype: of samples, where items are samples.
      names, whole, summary: as `Source` says.
    """

    def __init__(
        self,
        items: Any,
        labels: Any,
        decode: Callable[[tf.Tensor], tf.Tensor] | None = None,
        *,
        as_samples: Callable[[tf.Tensor], tf.Tensor] | None = None,
        classes: int | None = None,
        class_names: Sequence[str] = (),
        state: Callable[[], str] | None = None,
        check: Callable[[], None] | None = None,
        dtype: str = "float32",
        names: Sequence[str] = (),
        whole: str = "",
        summary: str = "",
    ) -> None:
        self._items, self._labels, self._decode = np.asarray(items), np.asarray(labels), decode
        self._dtype, self._convert, self.whole, self.summary = dtype, as_samples, whole, summary
        self.classes, self.class_names = classes, tuple(class_names)
        self._state, self._check, self.names = state, check, names

    @functools.cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample; () if there are no samples."""
        if len(self) == 0:
            return ()
        return self._items.shape[1:] if self._decode is None else tuple(self._decode(tf.constant(self._items[0])).shape)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def labels(self) -> np.ndarray:
        """int [n], in the order of the items."""
        return self._labels

    @functools.cached_property
    def key(self) -> str:
        """As `Source` says: a hash of the items."""
        items: Any = np.ascontiguousarray(self._items)
        content = hashlib.blake2b(items, digest_size=12)
        content.update(self.origin.encode() if self._state else b"")
        return f"{self._items.dtype} {self._items.shape} {content.hexdigest()} {self.sample_shape}"

    @functools.cached_property
    def origin(self) -> str:
        """As `Source` says: the state, where there is one."""
        return self._state() if self._state else self.key

    @functools.cached_property
    def _tensor(self) -> tf.Tensor:
        """The items, of which there is one copy from now on."""
        tensor = tf.constant(self._items)
        self._items = np.asarray(memoryview(tensor))
        return tensor

    def check(self) -> None:
        if self._check:
            self._check()

    def _as_samples(self, items: tf.Tensor) -> tf.Tensor:
        if self._convert:
            return self._convert(items)
        if self._decode is None:
            return tf.cast(items, self._dtype)
        return tf.map_fn(self._decode, items, fn_output_signature=tf.float32, parallel_iterations=8)

    def stream(self, count: int, seed: int, start: int, labelled: bool = False) -> tf.data.Dataset:
        """As `Source.stream` says; an epoch's order is a permutation that is computed index by index."""
        items, labels = self._tensor, tf.constant(self._labels.astype(np.int32))
        size = len(self)

        @as_written
        def batch(number: tf.Tensor) -> Any:
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

    def numbered(self, batch: int, part: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        batches = tf.data.Dataset.from_tensor_slices(self._tensor).batch(batch).enumerate().shard(part[1], part[0])
        return batches.map(as_written(lambda number, items: (number, self._as_samples(items))))
