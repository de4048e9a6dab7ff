"""A folder of images, laid out as tfds.ImageFolder reads it: PATH/SPLIT/LABEL/image.png."""

import functools
import os

import numpy as np
import tensorflow as tf

from tfdgan.data import images
from tfdgan.data import partition as parts
from tfdgan.data.source import ArraySource
from tfdgan.errors import UserError


def load(path, *, image_size, rank, size, partition, split="train"):
    """Images of PATH/train as float32 [side, side, 3] in [-1, 1].

    Its `check` decodes every image of this learner's part, so that a corrupt file is named before training.
    """
    import tensorflow_datasets as tfds

    if not image_size:
        raise UserError(f"--dataset=folder:{path}: give --image_size, images of a folder may differ in size")
    builder = tfds.ImageFolder(path)
    # The builder's own list of files; its dataset would read every file to tell their names.
    examples = builder._split_examples.get(split, [])
    if not examples:
        raise UserError(f"--dataset=folder:{path}: no images in {path}/{split}/LABEL/ (.jpg, .jpeg, .png)")
    names = builder.info.features["label"]
    labels = np.array([names.str2int(example.label) for example in examples])
    mine = parts.indices(labels, rank, size, partition)
    files = np.array([examples[i].image_path for i in mine], dtype=str)

    def decode(file):
        image = tf.io.decode_image(tf.io.read_file(file), channels=3, expand_animations=False)
        return images.to_sample(tf.ensure_shape(image, [None, None, 3]), image_size)

    def state():
        return str([(fact.st_size, fact.st_mtime_ns) for fact in map(os.stat, files)])

    classes, check = names.num_classes, functools.partial(_check, files, decode)
    return ArraySource(files, labels[mine], decode, classes=classes, state=state, check=check)


def _check(files, decode):
    """Decode every file; raise `UserError` naming the first that cannot be."""
    decoded = tf.data.Dataset.from_tensor_slices(files).map(
        lambda file: decode(file)[0, 0], num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    read = 0
    try:
        for _ in decoded:
            read += 1
    except tf.errors.OpError as error:
        raise UserError(f"corrupt image {files[read]}: cannot be decoded; mend or remove it") from error
