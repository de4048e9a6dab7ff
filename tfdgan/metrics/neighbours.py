"""Distances among features, many at a time but never all."""

from collections.abc import Iterator

import numpy as np

_ROWS = 1000  # at a time, so that no n x n matrix is held


def squared_distances(points: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Yields |x - y|^2 of 1,000 points at a time to all others: |x|^2 + |y|^2 - 2 x.y is one matrix product."""
    squares = np.sum(np.square(others), axis=1)
    for start in range(0, len(points), _ROWS):
        part = points[start : start + _ROWS]
        distances = np.sum(np.square(part), axis=1)[:, np.newaxis] + squares - 2 * part @ others.T
        yield np.maximum(distances, 0, out=distances)


def squared_radii(points: np.ndarray, neighbours: int) -> np.ndarray:
    """The squared distance [n] of each point to the `neighbours`-th nearest other."""
    # The nearest of all is the point itself.
    found = [np.partition(d, neighbours, axis=1)[:, neighbours] for d in squared_distances(points, points)]
    return np.concatenate(found)


def checked(real: np.ndarray, fake: np.ndarray, neighbours: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Both sets as float64. Raises ValueError, which begins with `what`, unless each has more than `neighbours`."""
    for name, features in (("real", real), ("generated", fake)):
        if len(features) <= neighbours:
            raise ValueError(f"{what}: {len(features)} {name} features are too few for {neighbours} neighbours")
    return np.asarray(real, np.float64), np.asarray(fake, np.float64)
