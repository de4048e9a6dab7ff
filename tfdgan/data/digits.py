"""scikit-learn's digits: 1,797 scanned digits, 8 x 8, 16 greys; real images that need no download."""

import numpy as np

from tfdgan.data import images
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 [1797, 8, 8, 1] in 0..255, labels int64 [1797])."""
    from sklearn.datasets import load_digits  # takes a second that other data need not spend

    digits = load_digits()
    return np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis], digits.target


def load(*, form: images.Form, rank: int, size: int, partition: str) -> ArraySource:
    """A learner's part of the digits, as float32 [8, 8, 1] in [-1, 1], or in another size or channels."""
    pictures, labels = arrays()
    mine = parts.indices(labels, rank, size, partition)
    samples = np.stack([images.to_sample(picture, form) for picture in pictures[mine]])
    return ArraySource(samples, labels[mine], classes=10, class_names=[*"0123456789"])
