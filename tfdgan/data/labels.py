"""Labels as classes, and what is said of them and of the samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfdgan.errors import UserError

_HOW = {
    "folder": "put every image into its class's folder",
    "array": "give a .npz file with an array called labels",
    "tfrecord": "name them by --label_feature",
}
_SHOWN, _LONGEST = 12, 40  # classes that are named; characters of a name


def numbered(labels: Any, where: str) -> tuple[np.ndarray, list[str]]:
    """(the place of each label among the labels that occur, sorted: int64 [n]; their names).

    Args:
      labels: whole numbers or texts [n].
      where: they come from, for errors.

    Raises:
      UserError: labels of another kind.
    """
    labels = np.asarray(labels)
    if labels.dtype == object and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.dtype.kind not in "iuUSb":
        raise UserError(f"{where}: labels of {labels.dtype}; give whole numbers or texts")
    kinds, places = np.unique(labels, return_inverse=True)
    names = [kind.decode(errors="replace") if isinstance(kind, bytes) else str(kind) for kind in kinds.tolist()]
    return places.astype(np.int64), names


def how_to_give(dataset: str) -> str:
    """What to do where `--dataset` has no labels but should have some."""
    kind, is_of_files, _ = dataset.partition(":")
    if is_of_files and kind in _HOW:
        return _HOW[kind]
    return "return (samples, labels)" if is_of_files or dataset == "given" else "take a set that has some"


def shown(name: str) -> str:
    """A name as people can tell it from others in a list: in quotes where it holds a comma or odd blanks, and cut."""
    plain = name and name.isprintable() and "," not in name and name == " ".join(name.split())
    text = name if plain else repr(name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def described(labels: np.ndarray | None, names: Sequence[str]) -> str:
    """How many classes there are, and how many samples each has, if labels are known; "no classes" without names."""
    if not names:
        return "no classes"
    each = [shown(name) for name in names[:_SHOWN]]
    if labels is not None:
        counts = np.bincount(labels, minlength=len(names)).tolist()
        each = [f"{name} {count:,}" for name, count in zip(each, counts, strict=False)]
    some = "class" if len(names) == 1 else "classes"
    return f"{len(names)} {some}: {', '.join(each)}{', ...' if len(names) > _SHOWN else ''}"


def left_out(count: int, size: int) -> str:
    """What is said of the samples beyond an equal share for each of `size` learners; "" if there are none."""
    left = count % size
    return f"; left out so that {size} learners have as many: {left}" if left else ""
