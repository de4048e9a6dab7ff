"""Samples as one picture."""

import functools
import math
from typing import Any

import numpy as np

_GAP, _GREY = 4, 96  # pixels between images, and their shade
_CELLS, _CELL = 80, 2  # a side of a picture of density, and the pixels of a cell's side


def as_stored(samples: np.ndarray) -> np.ndarray:
    """Images [..., h, w, c] in [-1, 1] as uint8; samples of less than four axes as they are."""
    return np.clip(np.round((samples + 1) * 127.5), 0, 255).astype(np.uint8) if samples.ndim >= 4 else samples


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Images [n, h, w, c] in [-1, 1] as one, uint8 [height, width, c]; small ones are enlarged.

    They stand in rows of `columns`, by default on a nearly square grid.
    """
    enlarge = max(1, 40 // images.shape[1])
    tiles = as_stored(images)
    tiles = tiles.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    tiles = np.pad(tiles, ((0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=_GREY)
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    _, height, width, channels = tiles.shape
    picture = np.full((rows * columns, height, width, channels), _GREY, np.uint8)
    picture[: len(tiles)] = tiles
    picture = picture.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return picture.reshape(rows * height, columns * width, channels)


def scatter(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Points [n, 2] over the centres [k, 2] of modes; k may be 0. Returns uint8 [h, w, 3]."""
    canvas = _canvas()
    canvas.figure.clear()
    axes = canvas.figure.add_axes((0.08, 0.08, 0.9, 0.9))
    if len(centres):
        axes.scatter(centres[:, 0], centres[:, 1], marker="x", s=60, color="tab:orange", label="centres")
    axes.scatter(points[:, 0], points[:, 1], s=1, color="tab:blue", label="samples")
    reach = np.abs(centres).max() + 1 if len(centres) else 1.1 * np.abs(points).max() + 1e-6
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.legend(loc="upper right")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@functools.cache  # A figure refers to itself: each one more would wait, with 1.3 MB, for Python's collector.
def _canvas() -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no window, no global state
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(figsize=(5, 5), dpi=100))


def shrunk(images: np.ndarray, most: int) -> np.ndarray:
    """Images [n, h, w, channels] as means of squares of k x k pixels, the least k that leaves at most `most` a side."""
    n, height, width, channels = images.shape
    k = -(-max(height, width) // most)
    if k == 1:
        return images
    high, wide = height // k, width // k
    return images[:, : high * k, : wide * k].reshape(n, high, k, wide, k, channels).mean(axis=(2, 4))


def density(points: np.ndarray, reach: float) -> np.ndarray:
    """Where points [n, 2] lie between -reach and reach: dark on white, grey edges right and below, uint8 [h, h, 1].

    A cell is black from 1 of 500 points on.
    """
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=_CELLS, range=[(-reach, reach)] * 2)
    dark = np.minimum(1, 500 * counts / len(points)) ** 0.5
    cells = np.round(255 * (1 - dark)).astype(np.uint8)[::-1]  # the second axis points upwards
    picture = cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    return np.pad(picture, ((0, _GAP), (0, _GAP)), constant_values=_GREY)[..., None]
