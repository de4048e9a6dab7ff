"""Precision and recall of generated samples, by nearest neighbours among features."""

from collections.abc import Iterator

import numpy as np

_ROWS = 1000  # at a time, so that no n x n matrix is held


def precision_recall(real: np.ndarray, fake: np.ndarray, neighbours: int = 3) -> tuple[float, float]:
    """(precision, recall): the share of fakes within the real manifold, and of reals within the generated one.

    A manifold is the union of balls around its points, each reaching to the point's `neighbours`-th nearest other.
    Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019,
    equations 1 to 3. Memory: float64 copies of both sets, and 1,000 distances to every point at a time.

    Args:
      real, fake: features [n, d], [m, d], more than `neighbours` of each.

    Raises:
      ValueError: too few features.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    for name, features in (("real", real), ("generated", fake)):
        if len(features) <= neighbours:
            raise ValueError(
                f"precision and recall: {len(features)} {name} features are too few for {neighbours} neighbours"
            )
    return _share_within(fake, real, neighbours), _share_within(real, fake, neighbours)


def _share_within(points: np.ndarray, manifold: np.ndarray, neighbours: int) -> float:
    # The nearest of all to a point of the manifold is the point itself.
    radii = np.concatenate(
        [np.partition(d, neighbours, axis=1)[:, neighbours] for d in _squared_distances(manifold, manifold)]
    )
    return float(np.mean(np.concatenate([(d <= radii).any(axis=1) for d in _squared_distances(points, manifold)])))


def _squared_distances(points: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Yields |x - y|^2 of 1,000 points at a time to all others: |x|^2 + |y|^2 - 2 x.y is one matrix product."""
    squares = np.sum(np.square(others), axis=1)
    for start in range(0, len(points), _ROWS):
        part = points[start : start + _ROWS]
        distances = np.sum(np.square(part), axis=1)[:, np.newaxis] + squares - 2 * part @ others.T
        yield np.maximum(distances, 0, out=distances)
