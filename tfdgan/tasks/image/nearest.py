"""The real samples that are nearest to generated ones: does a generator repeat what it was shown?"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tfdgan.data import Source
from tfdgan.errors import UserError
from tfdgan.metrics.extractor import SavedModelExtractor
from tfdgan.metrics.neighbours import squared_distances

_USUAL, _BATCH = 7, 50  # real samples beside a generated one; at a time, which Inception's maps allow
Features = Callable[[np.ndarray], np.ndarray]


class Nearest(NamedTuple):
    """The real samples nearest to each generated one, nearest first.

    Attributes:
      samples: [n, count, *sample_shape].
      indices: int64 [n, count], where they stand in the order of the data.
      distances: float64 [n, count], among features.
      names: texts [n, count], such as files; None where the data have none.
    """

    samples: np.ndarray
    indices: np.ndarray
    distances: np.ndarray
    names: np.ndarray | None = None


def in_source(generated: np.ndarray, source: Source, asked: int, extractor: SavedModelExtractor | None) -> Nearest:
    """The samples of a source nearest to each generated one, by pool_3 features or, without extractor, by pixels.

    Args:
      generated: [n, *sample_shape].
      asked: how many; 0 asks for the usual number.

    Raises:
      UserError: the source has not so many.
    """
    if asked > len(source):
        raise UserError(f"--neighbours={asked}: there are {len(source)} real samples; give at most as many")

    def features(batch: np.ndarray) -> np.ndarray:
        if extractor is None:
            return np.reshape(batch, [len(batch), -1])
        parts = range(0, len(batch), _BATCH)
        return np.concatenate([extractor(batch[start : start + _BATCH])["pool_3"] for start in parts])

    batches = (batch.numpy() for batch in source.once(_BATCH))
    shown = tqdm(batches, "real samples", -(-len(source) // _BATCH), disable=None, leave=False)
    found = nearest(generated, shown, asked or _USUAL, features)
    if not source.names:
        return found
    return found._replace(names=np.array([[source.names[i] for i in row] for row in found.indices.tolist()]))


def nearest(generated: np.ndarray, batches: Iterable[np.ndarray], count: int, features: Features) -> Nearest:
    """The `count` real samples nearest to each generated one, by the Euclidean distance of features.

    Only a batch, and what is nearest so far, is held in memory. Of equal distances the first sample counts.

    Args:
      generated: [n, *sample_shape].
      batches: of all real samples, in one order.
      count: at least 1; fewer are found where there are fewer real samples.
      features: [k, *sample_shape] -> [k, d].
    """
    points, first = np.asarray(features(generated), np.float64), 0
    best = Nearest(
        np.empty((len(generated), 0, *generated.shape[1:]), generated.dtype),
        np.empty((len(generated), 0), np.int64),
        np.empty((len(generated), 0)),
    )
    for batch in batches:
        squares = squared_distances(points, np.asarray(features(batch), np.float64))
        distances = np.sqrt(np.concatenate(list(squares)))
        numbers = np.broadcast_to(np.arange(first, first + len(batch)), distances.shape)
        first += len(batch)
        kept = _order(distances, count)
        joined = Nearest(
            np.concatenate([best.samples, batch[kept]], axis=1),
            np.concatenate([best.indices, np.take_along_axis(numbers, kept, 1)], axis=1),
            np.concatenate([best.distances, np.take_along_axis(distances, kept, 1)], axis=1),
        )
        kept = _order(joined.distances, count)
        rows = np.arange(len(generated))[:, np.newaxis]
        best = Nearest(*(array[rows, kept] for array in joined[:3]))
    return best


def _order(distances: np.ndarray, count: int) -> np.ndarray:
    """The places [n, <= count] of the smallest of each row, smallest first."""
    return np.argsort(distances, axis=1, kind="stable")[:, :count]
