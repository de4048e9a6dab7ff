"""Images, or points, in a NumPy file."""

import zipfile
from typing import Any

import numpy as np

from tfdgan.data import given, images
from tfdgan.errors import UserError

_IMAGES, _LABELS = ("images", "samples", "x", "x_train", "arr_0"), ("labels", "y", "y_train", "arr_1")


def read(path: str, form: images.Form) -> tuple[Any, str]:
    """(what `given.from_user` takes, a note) of a .npy file of images or points, or a .npz file, with perhaps labels.
    Images are [n, h, w, c] or, of one channel, [n, h, w]: uint8, uint16 (of which 65,535 is white), or floats in
    [-1, 1]. In a .npz file the first of the names images, samples, x, x_train and arr_0 is taken; and labels, y,
    y_train or arr_1; the note names the arrays that are not taken. Points are floats [n, d], and stay as they are.

    Args:
      path: ends in .npy or .npz.
      form: what images are brought to; they are rounded to 8 bits again if they were uint8.

    Raises:
      UserError: no such file, or no such arrays in it.
    """
    try:
        found, labels, note = _arrays(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, UserError):
            raise
        if "Object arrays" in str(error):
            what = "save images of one size as one array of numbers, and texts by .astype(str)"
            raise UserError(f"--dataset=array:{path}: holds Python objects; {what}") from error
        raise UserError(f"--dataset=array:{path}: no .npy or .npz file of arrays ({str(error)[:100]})") from error
    if found.dtype.kind == "f" and found.itemsize > 8:
        found = found.astype(np.float64)
    if found.ndim == 2 and found.dtype.kind == "f" and found.size:
        if form.size or form.channels:
            raise UserError(f"--dataset=array:{path}: holds points; leave out --image_size and --channels")
        return (found if labels is None else (found, labels)), note
    if found.ndim == 3:
        found = found[..., np.newaxis]
    if found.ndim == 4 and found.shape[1] in (1, 3) and found.shape[-1] not in (1, 3):
        raise UserError(
            f"--dataset=array:{path}: {found.shape} has the channels first; give them last (np.moveaxis(x, 1, -1))"
        )
    if found.ndim != 4 or found.shape[-1] not in (1, 3) or not len(found):
        raise UserError(
            f"--dataset=array:{path}: {found.dtype} {found.shape}; give images [n, height, width, 1 or 3 "
            "channels], or points, floats [n, d] (.astype('float32'))"
        )
    if found.dtype.kind != "f" and found.dtype not in (np.uint8, np.uint16):
        raise UserError(f"--dataset=array:{path}: images of {found.dtype}; give uint8, uint16 or floats in [-1, 1]")
    if found.dtype == np.uint16:
        found = (found / np.float32(32767.5) - 1).astype(np.float32)
    same = form.size in (None, found.shape[1:3]) and form.channels in (0, found.shape[-1])
    if not same:
        if found.dtype != np.uint8:  # before averages of numbers hide one that cannot be
            given.check_values(found, f"--dataset=array:{path}")
        found = _fitted(found, form)
    return (found if labels is None else (found, labels)), note


def _fitted(found: np.ndarray, form: images.Form) -> np.ndarray:
    if found.dtype == np.uint8:
        return np.stack([np.rint(images.fitted(image, form)).astype(np.uint8) for image in found])
    return np.stack([images.to_sample((image + 1) * 127.5, form).numpy() for image in found])


def _arrays(path: str) -> tuple[np.ndarray, np.ndarray | None, str]:
    """(images, labels or None, a note)."""
    stored = np.load(path)
    if isinstance(stored, np.ndarray):
        return stored, None, ""
    names = [next((name for name in wanted if name in stored.files), None) for wanted in (_IMAGES, _LABELS)]
    if names[0] is None:
        raise UserError(
            f"--dataset=array:{path}: holds {', '.join(stored.files) or 'nothing'}; call images or points "
            f"{_IMAGES[0]}, and labels {_LABELS[0]}"
        )
    others = [name for name in stored.files if name not in names]
    note = f"; not read: {', '.join(others)}" if others else ""
    if note and not names[1]:
        note += f" (labels are called {', '.join(_LABELS)})"
    with stored:
        return stored[names[0]], stored[names[1]] if names[1] else None, note
