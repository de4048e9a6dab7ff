"""Images in a folder or a zip file, as people have them."""

import concurrent.futures
import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tfdgan.data import image_file, images, labels, listing
from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource
from tfdgan.errors import UserError

Item = TypeVar("Item")
Made = TypeVar("Made")
_THREADS = 4  # that read files; decoding lets other threads run
_NAMED = 10  # files of many that cannot be read


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
    if partition == "by_label" and not found.classes:
        raise UserError(f"--partition=by_label: --dataset=folder:{path} has no classes; put each into a folder")
    headers = list(_each(lambda name: image_file.header(*_opener(found, name)), found.names))
    form = image_file.complete(form, headers, f"--dataset=folder:{path}")
    deep = any(header.bits > 8 for header in headers)
    mine = parts.indices(found.labels, rank, size, partition)
    names = [found.names[i] for i in mine]
    height, width = form.size or (0, 0)
    shared: dict[str, Any] = dict(
        classes=len(found.classes) or None,
        class_names=found.classes,
        names=names,
        whole=found.digest,
        summary=_summary(found, headers, form) + labels.left_out(len(found.names), size),
        state=lambda: f"{_contents(found, names)} {form}",
    )
    if len(names) * height * width * form.channels * (4 if deep else 1) <= cache_mb * 1e6:
        kept = np.empty((len(names), height, width, form.channels), np.float32 if deep else np.uint8)
        for place, image in enumerate(_each(lambda name: _fitted(found, form, name), names)):
            kept[place] = image if deep else np.rint(image)
        return ArraySource(kept, found.labels[mine], as_samples=images.scaled, **shared)

    def decode(place: tf.Tensor) -> tf.Tensor:
        read = tf.numpy_function(lambda i: _pixels(found, form, names[int(i)]), [place], tf.float32, stateful=False)
        return images.to_sample(tf.ensure_shape(read, [None, None, form.channels]), form)

    def check() -> None:
        for _ in _each(lambda name: _pixels(found, form, name).shape, names):
            pass

    return ArraySource(np.arange(len(names)), found.labels[mine], decode, check=check, **shared)


def _opener(found: listing.Listing, name: str) -> tuple[image_file.Opener, str]:
    return functools.partial(found.open, name), os.path.join(found.where, name)


def _pixels(found: listing.Listing, form: images.Form, name: str) -> np.ndarray:
    return image_file.pixels(*_opener(found, name), form.channels, form.background).astype(np.float32)


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


def _each(function: Callable[[str], Made], names: Sequence[str]) -> Iterable[Made]:
    """`function` of each file's name, in their order; a `UserError` at last names all files of which it raises one."""

    def tried(name: str) -> tuple[Made | None, UserError | None]:
        try:
            return function(name), None
        except UserError as error:
            return None, error

    faults: dict[str, UserError] = {}
    for name, (made, error) in zip(names, _at_once(tried, names), strict=True):
        if error:
            faults[name] = error
        elif not faults:
            yield made  # type: ignore[misc]
    if faults:
        (_, first), *others = sorted(faults.items())
        listed = ", ".join([name for name, _ in others[:_NAMED]] + (["..."] if len(others) > _NAMED else []))
        raise UserError(first.as_flags() + (f"; so are {len(others):,} more: {listed}" if others else ""))


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
    text += f"; {image_file.fit(form, {header.size for header in headers})}"
    why = f", since {found.loose} lies in no folder" if found.loose else ""
    return f"{text}; {labels.described(found.labels, found.classes)}{why}"
