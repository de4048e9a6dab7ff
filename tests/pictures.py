"""Small images for tests."""

import numpy as np
from PIL import Image

ALL = dict(rank=0, size=1, partition="iid")
WHITE = (255, 255, 255)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def colour(shade=(200, 100, 50), size=(4, 6)):
    """[size] is (width, height), as in PIL."""
    return Image.new("RGB", size, shade)


def noise():
    """64 grey images of side 8, float32 in [-1, 1]: a data set, as --dataset=pictures:noise names it."""
    return np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 1)).astype(np.float32)
