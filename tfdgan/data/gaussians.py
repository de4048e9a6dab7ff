"""The 25 Gaussians: a grid of narrow modes, the usual test for lost modes."""

import numpy as np

from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource

SIGMA = 0.05
CENTRES = np.array([(x, y) for x in range(-2, 3) for y in range(-2, 3)], dtype=np.float32)  # [25, 2]
_SAMPLES = 100_000


def load(*, seed: int, rank: int, size: int, partition: str) -> ArraySource:
    """A learner's part of 100,000 points [2] around the centres {-2..2}^2, standard deviation .05, drawn from the seed.

    A point's label is the number of its centre.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(len(CENTRES), size=_SAMPLES)
    points = CENTRES[labels] + SIGMA * random.standard_normal((_SAMPLES, 2))
    mine = parts.indices(labels, rank, size, partition)
    return ArraySource(points[mine].astype(np.float32), labels[mine], classes=len(CENTRES))
