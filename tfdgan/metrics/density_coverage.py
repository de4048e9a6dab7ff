"""Density and coverage of generated samples, by nearest neighbours among features."""

import numpy as np

from tfdgan.metrics.neighbours import checked, squared_distances, squared_radii


def density_coverage(real: np.ndarray, fake: np.ndarray, neighbours: int = 5) -> tuple[float, float]:
    """(density, coverage), by balls around the reals, each reaching to the real's `neighbours`-th nearest other.

    Density is how many balls a fake lies in, on average, divided by `neighbours`: 1 is expected of equal distributions,
    and a single far real raises precision more than density. Coverage is the share of reals in whose ball any fake
    lies. Naeem, Oh, Uh, Choi, Yoo, "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020,
    equations 4 and 5. Memory: as `precision_recall`.

    Args:
      real, fake: features [n, d], [m, d], more than `neighbours` of each.

    Raises:
      ValueError: too few features.
    """
    real, fake = checked(real, fake, neighbours, "density and coverage")
    radii, balls, covered = squared_radii(real, neighbours), 0, np.zeros(len(real), bool)
    for distances in squared_distances(fake, real):
        within = distances <= radii
        balls += int(within.sum())
        covered |= within.any(axis=0)
    return balls / (neighbours * len(fake)), float(covered.mean())
