"""scikit-learn's digits: 1,797 scanned digits, 8 x 8, 16 greys; real images that need no download."""

import dataclasses

import numpy as np

from tfdgan.data import image_file, images, labels
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 [1797, 8, 8, 1] in 0..255, labels int64 [1797])."""
    from sklearn.datasets import load_digits  # takes a second that other data need not spend

    digits = load_digits()
    return np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis], digits.target


def load(*, form: images.Form, rank: int, size: int, partition: str) -> ArraySource:
    """A learner's part of the digits, as float32 [8, 8, 1] in [-1, 1], or in another size or channels."""
    pictures, kinds = arrays()
    mine, names = parts.indices(kinds, rank, size, partition), [*"0123456789"]
    samples = np.stack([images.to_sample(picture, form) for picture in pictures[mine]])
    read = dataclasses.replace(form, size=form.size or (8, 8), channels=form.channels or 1)
    summary = f"digits: {len(kinds):,} images read; {image_file.fit(read, [(8, 8)])}; {labels.described(kinds, names)}"
    summary += labels.left_out(len(kinds), size)
    return ArraySource(samples, kinds[mine], classes=10, class_names=names, summary=summary)
