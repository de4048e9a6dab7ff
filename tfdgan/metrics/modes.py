"""Mixtures with known centres: which modes are found, which samples are good."""

import numpy as np

GOOD_WITHIN = 4.0  # standard deviations of a centre
FOUND_AT = 40  # good samples, of 10,000


def count(samples, centres, sigma):
    """(modes found, share of good samples).

    A sample is good within 4 sigma of a centre; a centre is found with at least 40 good samples.

    Args:
      samples: [n, d]. centres: [k, d]. sigma: the modes' standard deviation.
    """
    distances = np.linalg.norm(samples[:, np.newaxis] - centres, axis=-1)
    good = distances.min(axis=1) < GOOD_WITHIN * sigma
    per_mode = np.bincount(distances.argmin(axis=1)[good], minlength=len(centres))
    return int((per_mode >= FOUND_AT).sum()), float(good.mean())
