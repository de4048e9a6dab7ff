"""Which images a folder or a zip file holds: of which split, of which class, and what is passed over."""

import collections
import dataclasses
import functools
import hashlib
import os
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np

from tfdgan.data.image_file import ENDINGS
from tfdgan.errors import UserError

_JUNK = {"__macosx", "thumbs.db", "desktop.ini", "lost+found", "@eadir", "$recycle.bin"}
_SPLITS = {"train": ("train", "training"), "test": ("test", "testing"), "validation": ("val", "valid", "validation")}
_ALL_SPLITS = {name for names in _SPLITS.values() for name in names}


@dataclasses.dataclass(frozen=True)
class Listing:
    """The images of one split.

    Attributes:
      where: the folder or the zip file.
      names: of the images, as paths below `where`.
      labels: int64 [n], the place of an image's class among `classes`; zeros without classes.
      classes: the names of the classes that images have, sorted; () where images lie in no folders.
      loose: an image that lies in no folder beside others that do, for which there are no classes; "" without.
      passed_over: {why: how many files}.
      open: function from a name to an open file.
      size: function from a name to a file's bytes.
    """

    where: str
    names: list[str]
    labels: np.ndarray
    classes: tuple[str, ...]
    loose: str
    passed_over: dict[str, int]
    open: Callable[[str], IO[bytes]]
    size: Callable[[str], int]

    @property
    def digest(self) -> str:
        """A hash of all files' names, classes and sizes, for which none is read."""
        found = hashlib.blake2b(digest_size=12)
        for name, label in zip(self.names, self.labels.tolist(), strict=True):
            found.update(f"{name}\0{label}\0{self.size(name)}\n".encode(errors="surrogateescape"))
        return found.hexdigest()


def of(path: str, split: str = "train", classes: Sequence[str] | None = None) -> Listing:
    """The images in a folder or a .zip file: directly in it, or in a folder each class, nested to any depth.

    Where there are folders named as splits are (train or training, test or testing, val, valid or validation, in any
    case), those of `split` are meant; where there are none, all are the split train. Hidden files, and what systems
    leave in folders, are passed over, and so are files that are no images by their names, and other splits. One folder
    that holds all images is no class.

    The order is that of tfds.ImageFolder: sorted by class and name, then shuffled by Python's generator with the
    split's name as its seed.

    Args:
      path: the folder, or the zip file.
      split: "train", "test" or "validation", or as such a folder may be named.
      classes: the names that labels number, where another split has decided; images of others are passed over.

    Raises:
      UserError: no images, no such split, no such zip file, or a folder that cannot be read.
    """
    split = _meant(split, f"--dataset=folder:{path}")
    if not os.path.exists(path):
        raise UserError(f"--dataset=folder:{path}: no such folder or .zip file")
    if os.path.isdir(path) or not path.lower().endswith(".zip"):
        stored = _walk(path)
        everything = {name: name for name in stored}
        open_file: Callable[[str], IO[bytes]] = functools.partial(_open, path)
        size: Callable[[str], int] = functools.partial(_size, path)
    else:
        archive = _archive(path)
        stored = [info.filename for info in archive.infolist() if not info.is_dir()]
        everything = {name.replace("\\", "/").removeprefix("./"): name for name in stored}
        open_file, size = archive.open, functools.partial(_stored_size, archive)
    images, passed_over = _images(list(everything))
    passed_over["stored again later, by the same name"] = len(stored) - len(everything)
    outer = _outer(images)
    inner = {name.removeprefix(outer): everything[name] for name in images}
    folder = _folder_of(split, list(inner), f"--dataset=folder:{path}", len(everything))
    passed_over["of other splits"] = sum(not name.startswith(folder) for name in inner)
    inner = {name.removeprefix(folder): stored for name, stored in inner.items() if name.startswith(folder)}
    if not classes:  # else a folder that holds all may be the one class that a split has
        outer = _outer(list(inner))
        inner = {name.removeprefix(outer): stored for name, stored in inner.items()}
    names = list(inner)
    alone = [name for name in names if "/" not in name]
    in_folders = not alone and classes != ()
    kind = {name: _top(name) if in_folders else "" for name in names}
    if classes:
        passed_over["of unknown classes"] = sum(kind[name] not in classes for name in names)
        names = [name for name in names if kind[name] in classes]
        if not names:
            raise UserError(f"--dataset=folder:{path}: no images of {', '.join(classes)} in {split}")
    found = tuple(classes or sorted(set(kind.values()))) if in_folders else ()
    number = {label: place for place, label in enumerate(found)}
    names.sort(key=lambda name: (kind[name], name))
    random.Random(split).shuffle(names)
    labels = np.array([number.get(kind[name], 0) for name in names], np.int64)
    loose = inner[min(alone)] if alone and len(alone) < len(names) else ""
    return Listing(path, [inner[name] for name in names], labels, found, loose, dict(+passed_over), open_file, size)


def _images(everything: list[str]) -> tuple[list[str], collections.Counter[str]]:
    """(the images by their names, {why: how many others})."""
    found, passed_over = [], collections.Counter[str]()
    for name in everything:
        if any(part.startswith(".") or part.lower() in _JUNK for part in name.split("/")):
            passed_over["hidden or left by a system"] += 1
        elif not name.lower().endswith(ENDINGS):
            passed_over["no image by its name"] += 1
        else:
            found.append(name)
    return found, passed_over


def _folder_of(split: str, images: list[str], where: str, files: int) -> str:
    """The folder of a split, with a /; "" if there are no splits. Raises `UserError` if it cannot be told."""
    if not images:
        raise UserError(f"{where}: no images among {files} files ({', '.join(ENDINGS)}), in folders or not")
    tops = {_top(name) for name in images}
    splits = {top for top in tops if top.lower() in _ALL_SPLITS}
    wanted = sorted(top for top in splits if top.lower() in _SPLITS[split])
    others = tops - splits - {""}
    if wanted and others:
        raise UserError(
            f"{where}: {wanted[0]}/ lies beside {', '.join(sorted(others)[:3])}: splits or classes? Give the folder of "
            "the classes, or move them into one"
        )
    if len(wanted) > 1:
        raise UserError(f"{where}: {' and '.join(wanted)} are both the split {split}; keep one")
    if wanted:
        return f"{wanted[0]}/"
    if (splits and not others) or split != "train":
        there = ", ".join(sorted(splits)) or "no splits"
        raise UserError(f"{where}: no split {split} (--split, --eval_split), only {there}; name the folder {split}")
    return ""


def _meant(split: str, where: str) -> str:
    """The split that a name stands for, as "validation" for "val"."""
    for name, names in _SPLITS.items():
        if split.lower() in names:
            return name
    raise UserError(f"{where}: no split {split} (--split, --eval_split); a folder may have {', '.join(_SPLITS)}")


def _walk(path: str) -> list[str]:
    """Every file below a folder, as paths below it with /; a link to a folder that leads to it is not followed."""
    found, ways = list[str](), {path: {os.path.realpath(path)}}  # {folder: the real folders on the way to it}

    def fail(error: OSError) -> None:
        below = os.path.relpath(error.filename, path).split(os.sep)
        if not any(part.startswith(".") or part.lower() in _JUNK for part in below):
            raise UserError(f"--dataset=folder:{path}: {error.filename} cannot be read ({error.strerror})") from error

    for folder, inner, files in os.walk(path, followlinks=True, onerror=fail):
        for name in list(inner):
            real = os.path.realpath(os.path.join(folder, name))
            if real in ways[folder]:
                inner.remove(name)
            ways[os.path.join(folder, name)] = ways[folder] | {real}
        below = os.path.relpath(folder, path).replace(os.sep, "/")
        found += [file if below == "." else f"{below}/{file}" for file in files]
    return found


def _top(name: str) -> str:
    return name.split("/")[0] if "/" in name else ""


def _outer(images: list[str]) -> str:
    """The folder, or folders in each other, that hold all images, with a /; "" if there is none, or it is a split."""
    outer = ""
    while True:
        tops = {_top(name.removeprefix(outer)) for name in images}
        if len(tops) != 1 or {top.lower() for top in tops} & {"", *_ALL_SPLITS}:
            return outer
        outer += f"{tops.pop()}/"


def _archive(path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"--dataset=folder:{path}: no zip file ({str(error)[:100]})") from error


def _open(folder: str, name: str) -> IO[bytes]:
    return open(os.path.join(folder, name), "rb")


def _size(folder: str, name: str) -> int:
    return os.path.getsize(os.path.join(folder, name))


def _stored_size(archive: zipfile.ZipFile, name: str) -> int:
    return archive.getinfo(name).file_size
