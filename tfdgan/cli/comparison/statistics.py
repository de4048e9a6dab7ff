"""Means and intervals over seeds: pure functions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Interval(NamedTuple):
    """A mean and half the width of its interval; the width is infinite, and says so, of fewer than two numbers."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        width = f" +- {self.half_width:.2g}" if math.isfinite(self.half_width) else ""
        return f"{self.mean:.4g}{width}"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean and Student's interval of it: half width t sd / sqrt(n), with n - 1 degrees of freedom.

    Of 1, 2, 3: mean 2, sd 1, t = 4.303, so 2 +- 2.48.
    """
    found = np.asarray(values, np.float64)
    if len(found) < 2:
        return Interval(float(found.mean()), math.inf)
    t = stats.t.ppf((1 + confidence) / 2, len(found) - 1)
    return Interval(float(found.mean()), float(t * found.std(ddof=1) / math.sqrt(len(found))))


def paired(values: dict[int, float], reference: dict[int, float]) -> Interval | None:
    """The mean, with its interval, of value - reference, seed by seed; None if they share no seed.

    Args:
      values, reference: {seed: value}.
    """
    shared = sorted(values.keys() & reference.keys())
    if not shared:
        return None
    return interval([values[seed] - reference[seed] for seed in shared])
