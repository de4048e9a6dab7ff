"""A folder of images, laid out as tfds.ImageFolder reads it: PATH/SPLIT/LABEL/image.png."""

import functools
import os
import random
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfdgan.data import images
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource
from tfdgan.data.source import as_written
from tfdgan.errors import UserError

_ENDINGS = (".jpg", ".jpeg", ".png")


def load(path: str, *, image_size: int, rank: int, size: int, partition: str, split: str = "train") -> ArraySource:
    """A learner's part of the images in PATH/SPLIT, as float32 [side, side, 3] in [-1, 1].

    The source's `check` decodes every image of the learner's part, so that a corrupt file is named before training.

    Args:
      path: the folder.
      image_size: the side that images are resized to.
      rank, size, partition: which part of how many, as `partition.indices` divides.

    Raises:
      UserError: no image_size, or no images.
    """
    if not image_size:
        raise UserError(f"--dataset=folder:{path}: give --image_size, images of a folder may differ in size")
    found, labels, classes = examples(path, split)
    if not found:
        raise UserError(f"--dataset=folder:{path}: no images in {path}/{split}/LABEL/ (.jpg, .jpeg, .png)")
    mine = parts.indices(labels, rank, size, partition)
    files = np.array([found[i] for i in mine], dtype=str)

    def decode(file: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(tf.io.read_file(file), channels=3, expand_animations=False)
        return images.to_sample(tf.ensure_shape(image, [None, None, 3]), image_size)

    def state() -> str:
        return str([(fact.st_size, fact.st_mtime_ns) for fact in map(os.stat, files)])

    check = functools.partial(_check, files, decode)
    return ArraySource(files, labels[mine], decode, classes=classes, state=state, check=check)


def examples(path: str, split: str) -> tuple[list[str], np.ndarray, int]:
    """(image files of a split, their labels int64 [n], number of classes), in the order of tfds.ImageFolder.

    A label is the place of the label's folder among the sorted names of all splits' label folders. The files, sorted
    by label and name, are shuffled by Python's generator with the split's name as its seed, as tfds.ImageFolder does;
    its own list is private, and its dataset gives names only together with the files' contents.
    """
    path = os.path.expanduser(path)
    names = sorted({label for each in _folders(path) for label in _folders(os.path.join(path, each))})
    found = [
        (os.path.join(path, split, label, file), number)
        for number, label in enumerate(names)
        if os.path.isdir(os.path.join(path, split, label))
        for file in sorted(os.listdir(os.path.join(path, split, label)))
        if file.lower().endswith(_ENDINGS)
    ]
    random.Random(split).shuffle(found)
    return [file for file, _ in found], np.array([label for _, label in found], np.int64), len(names)


def _folders(path: str) -> list[str]:
    return [name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name))]


def _check(files: np.ndarray, decode: Callable[[tf.Tensor], tf.Tensor]) -> None:
    """Decode every file; raise `UserError` that names the first file that cannot be decoded."""
    decoded = tf.data.Dataset.from_tensor_slices(files).map(
        as_written(lambda file: decode(file)[0, 0]), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    read = 0
    try:
        for _ in decoded:
            read += 1
    except tf.errors.OpError as error:
        raise UserError(f"corrupt image {files[read]}: cannot be decoded; mend or remove it") from error
