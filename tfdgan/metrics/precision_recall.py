"""Precision and recall of generated samples, by nearest neighbours among features."""

import numpy as np

from tfdgan.metrics.neighbours import checked, squared_distances, squared_radii


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
    real, fake = checked(real, fake, neighbours, "precision and recall")
    return _share_within(fake, real, neighbours), _share_within(real, fake, neighbours)


def _share_within(points: np.ndarray, manifold: np.ndarray, neighbours: int) -> float:
    radii = squared_radii(manifold, neighbours)
    return float(np.mean(np.concatenate([(d <= radii).any(axis=1) for d in squared_distances(points, manifold)])))
