"""Samples that come as a stream of encoded records."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.data.source import Source, as_written

_SHUFFLE_RECORDS = 16_384  # encoded records held for shuffling
_GRAPH_SEED = 1
_PRIME = 4_294_967_291  # keeps (seed, epoch) apart for all seeds below it


def chosen(records: tf.data.Dataset, indices: np.ndarray, total: int) -> tf.data.Dataset:
    """The records with these indices, of `total`, in the order of `records`."""
    wanted = np.zeros(total, bool)
    wanted[indices] = True
    kept = records.enumerate().filter(as_written(lambda i, _: tf.constant(wanted)[i]))
    return kept.map(as_written(lambda _, record: record))


class RecordSource(Source):
    """Samples that come as a stream of records, decoded when they are needed.

    Args:
      records: a finite tf.data.Dataset with one order.
      count: how many records it has.
      decode: function from a record to a float32 sample; AutoGraph does not convert it.
      label: such a function from a record to its label; None where there are no labels.
      classes: labels are below this number, on every learner; None where labels mean nothing.
      class_names: as `Source` says.
      key: a text; other records have another key. None if no such text is known.
      whole, summary: as `Source` says.
    """

    def __init__(
        self,
        records: tf.data.Dataset,
        count: int,
        decode: Callable[[Any], tf.Tensor],
        *,
        label: Callable[[Any], tf.Tensor] | None = None,
        classes: int | None = None,
        class_names: Sequence[str] = (),
        key: str | None = None,
        whole: str = "",
        summary: str = "",
    ) -> None:
        self._records, self._count, self._decode, self._label = records, int(count), decode, label
        self.classes, self.class_names = classes, tuple(class_names)
        self._key, self.whole, self.summary = key, whole, summary

    @functools.cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self._records.map(as_written(self._decode)).element_spec.shape)

    @property
    def key(self) -> str | None:
        """As `Source` says: the records' key and the shape of a sample."""
        return self._key and f"{self._key} {self.sample_shape}"

    def __len__(self) -> int:
        return self._count

    def stream(self, count: int, seed: int, start: int, labelled: bool = False) -> tf.data.Dataset:
        """As `Source.stream` says; an epoch is shuffled through a window of 16,384 records.

        If it begins at a later batch, the records before the batch are read but not decoded.
        """
        if labelled and self._label is None:
            raise ValueError("stream: these records have no labels")
        first, offset = divmod(start * count, self._count)
        window = min(self._count, _SHUFFLE_RECORDS)

        @as_written
        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            # A seed of the graph itself: the order depends on no global seed, and beside a global 0 shuffle would
            # refuse a tensor as its seed.
            tf.random.set_seed(_GRAPH_SEED)
            return self._records.shuffle(window, seed=number * _PRIME + seed % _PRIME, reshuffle_each_iteration=False)

        records = tf.data.Dataset.range(first, np.iinfo(np.int64).max).flat_map(epoch).skip(offset)

        @as_written
        def example(record: Any) -> Any:
            sample = self._decode(record)
            return (sample, tf.cast(self._label(record), tf.int32)) if labelled and self._label else sample

        return records.map(example, num_parallel_calls=2, deterministic=True).batch(count, drop_remainder=True)

    def numbered(self, batch: int, part: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        """As `Source.numbered` says; every record is read, those of the part are decoded."""

        @as_written
        def in_part(index: tf.Tensor, record: Any) -> tf.Tensor:
            return index // batch % part[1] == part[0]

        @as_written
        def decoded(index: tf.Tensor, record: Any) -> tuple[tf.Tensor, tf.Tensor]:
            return index // batch, self._decode(record)

        mine = self._records.enumerate().filter(in_part)
        numbered = mine.map(decoded, num_parallel_calls=2, deterministic=True)
        return numbered.batch(batch).map(as_written(lambda numbers, samples: (numbers[0], samples)))
