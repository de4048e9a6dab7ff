"""Images in a folder or a zip file, as people have them."""

import concurrent.futures
import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tfdgan.data import image_file, images, listing
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource

Item = TypeVar("Item")
Made = TypeVar("Made")
_THREADS = 4  # that read files; decoding lets other threads run


def load(
    path: str,
    *,
    form: images.Form,
    rank: int,
    size: int,
    partition: str,
    split: str = "train",
    classes: Sequence[str] | None = None,
    cache_mb: float = 0.0,
) -> ArraySource:
    """A learner's part of the images in a folder or a zip file, as float32 [height, width, c] in [-1, 1].

    Without `form.channels` images have one channel if all in the split are grey, else three. What is read is as
    `listing.of` says. If the learner's part fits into `cache_mb`, it is decoded once, here, and kept fitted: in 8 bits
    a number, for which it is rounded, or as float32 where an image has 16 bits. Otherwise the source's `check` decodes
    every image, so that a corrupt file is named before training, and each is decoded again whenever it is needed.

    Args:
      path: the folder, or a file whose name ends in .zip.
      form: what images are brought to; without a size all must have the same.
      rank, size, partition: which part of how many, as `partition.indices` divides.
      split, classes: as `listing.of` takes them.
      cache_mb: memory for decoded images, in 10^6 bytes.

    Raises:
      UserError: no images, a file that cannot be decoded, images that differ in size without a size to bring them to.
    """
    found = listing.of(path, split, classes)
    headers = list(_at_once(lambda name: _header(found, name), found.names))
    form = image_file.complete(form, headers, f"--dataset=folder:{path}")
    deep = any(header.bits > 8 for header in headers)
    mine = parts.indices(found.labels, rank, size, partition)
    names, labels = [found.names[i] for i in mine], found.labels[mine]
    height, width = form.size or (0, 0)
    shared: dict[str, Any] = dict(
        classes=len(found.classes) or None,
        summary=_summary(found, headers, form),
        state=functools.partial(_contents, found, names),
    )
    number_bytes = 4 if deep else 1
    if len(names) * height * width * form.channels * number_bytes <= cache_mb * 1e6:
        kept = np.empty((len(names), height, width, form.channels), np.float32 if deep else np.uint8)
        for place, image in enumerate(_at_once(lambda name: _fitted(found, form, name), names)):
            kept[place] = image if deep else np.rint(image)
        return ArraySource(kept, labels, as_samples=images.scaled, **shared)

    def read(name: Any) -> np.ndarray:
        return _pixels(found, form, np.asarray(name).item().decode())

    def decode(name: tf.Tensor) -> tf.Tensor:
        pixels = tf.numpy_function(read, [name], tf.float32, stateful=False)
        return images.to_sample(tf.ensure_shape(pixels, [None, None, form.channels]), form)

    def check() -> None:
        for _ in _at_once(lambda name: _pixels(found, form, name).shape, names):
            pass

    return ArraySource(np.array(names, dtype=str), labels, decode, check=check, **shared)


def _header(found: listing.Listing, name: str) -> image_file.Header:
    with found.open(name) as file:
        return image_file.header(file, os.path.join(found.where, name))


def _pixels(found: listing.Listing, form: images.Form, name: str) -> np.ndarray:
    with found.open(name) as file:
        pixels = image_file.pixels(file, os.path.join(found.where, name), form.channels, form.background)
    return pixels.astype(np.float32)


def _fitted(found: listing.Listing, form: images.Form, name: str) -> np.ndarray:
    return images.fitted(tf.constant(_pixels(found, form, name)), form).numpy()


def _contents(found: listing.Listing, names: Sequence[str]) -> str:
    """A hash over what the files hold."""

    def digest(name: str) -> bytes:
        with found.open(name) as file:
            return hashlib.sha256(file.read()).digest()

    total = hashlib.sha256()
    for part in _at_once(digest, names):
        total.update(part)
    return total.hexdigest()


def _at_once(function: Callable[[Item], Made], items: Iterable[Item]) -> Iterable[Made]:
    """`function` of each item, in their order, by several threads."""
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(function, items)


def _summary(found: listing.Listing, headers: Sequence[image_file.Header], form: images.Form) -> str:
    """One line: what there is, what is read and how, of which classes."""
    read, files = len(found.names), len(found.names) + sum(found.passed_over.values())
    over = ", ".join(f"{count:,} {why}" for why, count in sorted(found.passed_over.items()))
    text = f"{found.where}: {files:,} files, {read:,} images read"
    text += f", passed over {over}" if over else ""
    text += f"; {image_file.fit(form, headers)}"
    if not found.classes:
        return f"{text}; no classes"
    counts = np.bincount(found.labels, minlength=len(found.classes))
    shown = [f"{name} {count:,}" for name, count in zip(found.classes, counts, strict=True)][:12]
    more = ", ..." if len(found.classes) > len(shown) else ""
    return f"{text}; {len(found.classes)} classes: {', '.join(shown)}{more}"
