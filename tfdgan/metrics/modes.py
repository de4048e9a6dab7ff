"""Mixtures with known centres: which modes are found, which samples are good."""

import numpy as np

GOOD_WITHIN = 4.0  # standard deviations of a centre
FOUND_AT = 40  # good samples, of 10,000


def good_per_mode(samples: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """float64 [k]: for each centre how many samples are good, within 4 sigma of it, and nearest to it.

    Args:
      samples: [n, d].
      centres: [k, d].
      sigma: the standard deviation of every mode.
    """
    distances = np.linalg.norm(samples[:, np.newaxis] - centres, axis=-1)
    good = distances.min(axis=1) < GOOD_WITHIN * sigma
    return np.bincount(distances.argmin(axis=1)[good], minlength=len(centres)).astype(np.float64)


def found(per_mode: np.ndarray) -> int:
    """How many modes have at least 40 good samples."""
    return int((per_mode >= FOUND_AT).sum())
