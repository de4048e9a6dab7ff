"""Which images a folder or a zip file holds: of which split, of which class, and what is passed over."""

import collections
import dataclasses
import functools
import os
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np

from tfdgan.data.image_file import ENDINGS
from tfdgan.errors import UserError

_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}
_SPLITS = ("train", "training", "test", "testing", "val", "valid", "validation")


@dataclasses.dataclass(frozen=True)
class Listing:
    """The images of one split.

    Attributes:
      where: the folder or the zip file.
      names: of the images, as paths below `where`.
      labels: int64 [n], the place of an image's class among `classes`; zeros without classes.
      classes: the names of the classes that images have, sorted; () where images lie in no folders.
      passed_over: {why: how many files}.
      open: function from a name to an open file.
    """

    where: str
    names: list[str]
    labels: np.ndarray
    classes: tuple[str, ...]
    passed_over: dict[str, int]
    open: Callable[[str], IO[bytes]]


def of(path: str, split: str = "train", classes: Sequence[str] | None = None) -> Listing:
    """The images in a folder or a .zip file: directly in it, or in a folder each class, nested to any depth.

    If there is a folder named `split`, images and classes are those in it. Hidden files, and what systems leave in
    folders, are passed over, and so are files that are no images by their names, and other splits. One folder that
    holds everything in a zip file is no class.

    The order is that of tfds.ImageFolder: sorted by class and name, then shuffled by Python's generator with the
    split's name as its seed.

    Args:
      path: the folder, or the zip file.
      split: whose images are wanted.
      classes: the names that labels number, where another split has decided; images of others are passed over.

    Raises:
      UserError: no images, or no such zip file.
    """
    if not path.lower().endswith(".zip"):
        return _listed(path, _walk(path), split, classes, functools.partial(_open, path))
    archive = _archive(path)
    everything = [info.filename for info in archive.infolist() if not info.is_dir()]
    outer = _outer(everything, split)
    inner = [name.removeprefix(outer) for name in everything]
    return _listed(path, inner, split, classes, functools.partial(_open_in, archive, outer))


def _listed(
    where: str, everything: list[str], split: str, known: Sequence[str] | None, opener: Callable[[str], IO[bytes]]
) -> Listing:
    has_split = any(_top(name) == split for name in everything)
    passed_over: collections.Counter[str] = collections.Counter()
    names = []
    for name in everything:
        parts = name.split("/")
        if any(part.startswith(".") or part.lower() in _JUNK for part in parts):
            passed_over["hidden or left by a system"] += 1
        elif has_split and parts[0] != split:
            passed_over["of other splits" if parts[0].lower() in _SPLITS else f"not in {split}/"] += 1
        elif not name.lower().endswith(ENDINGS):
            passed_over["no image by its name"] += 1
        else:
            names.append(name)
    if not names:
        raise UserError(
            f"--dataset=folder:{where}: no images among {len(everything)} files ({', '.join(ENDINGS)}), in it, in "
            f"folders, or in {split}/"
        )
    depth = 1 if has_split else 0
    in_folders = all(len(name.split("/")) > depth + 1 for name in names)
    kind = {name: name.split("/")[depth] if in_folders else "" for name in names}
    if known is not None:
        passed_over["of unknown classes"] = sum(kind[name] not in known for name in names)
        names = [name for name in names if kind[name] in known]
    classes = tuple(known or sorted(set(kind.values()))) if in_folders else ()
    number = {label: place for place, label in enumerate(classes)}
    names.sort(key=lambda name: (kind[name], name))
    random.Random(split).shuffle(names)
    labels = np.array([number.get(kind[name], 0) for name in names], np.int64)
    return Listing(where, names, labels, classes, dict(+passed_over), opener)


def _walk(path: str) -> list[str]:
    """Every file below a folder, as paths below it with /."""
    found = []
    for folder, _, files in os.walk(path, followlinks=True):
        below = os.path.relpath(folder, path).replace(os.sep, "/")
        found += [file if below == "." else f"{below}/{file}" for file in files]
    return found


def _top(name: str) -> str:
    return name.split("/")[0] if "/" in name else ""


def _outer(names: list[str], split: str) -> str:
    """The one folder that holds everything, but junk, with a /; "" if there is none, or if it is the split."""
    tops = {_top(name) for name in names if _top(name).lower() not in _JUNK}
    return f"{tops.pop()}/" if len(tops) == 1 and not tops & {"", split} else ""


def _archive(path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"--dataset=folder:{path}: no zip file ({str(error)[:100]})") from error


def _open(folder: str, name: str) -> IO[bytes]:
    return open(os.path.join(folder, name), "rb")


def _open_in(archive: zipfile.ZipFile, outer: str, name: str) -> IO[bytes]:
    return archive.open(outer + name)
