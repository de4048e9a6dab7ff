"""Samples as one picture."""

import math

import numpy as np
import tensorflow as tf


def grid(images):
    """Images [n, h, w, c] in [-1, 1] on a nearly square grid: uint8 [rows h, columns w, c]; small ones are enlarged."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    blank = np.full((rows * columns - len(images), *images.shape[1:]), -1.0, np.float32)
    tiles = np.concatenate([images, blank])
    height, width, channels = images.shape[1:]
    tiles = tiles.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    picture = tiles.reshape(rows * height, columns * width, channels)
    picture = np.clip(np.round((picture + 1) * 127.5), 0, 255).astype(np.uint8)
    enlarge = max(1, 32 // height)
    return picture.repeat(enlarge, axis=0).repeat(enlarge, axis=1)


def scatter(points, centres):
    """Points [n, 2] over the modes' centres [k, 2]: uint8 [h, w, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no window, no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.08, 0.9, 0.9))
    axes.scatter(*centres.T, marker="x", s=60, color="tab:orange", label="centres")
    axes.scatter(*points.T, s=1, color="tab:blue", label="samples")
    reach = np.abs(centres).max() + 1
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.legend(loc="upper right")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def to_png(picture):
    """uint8 [h, w, 1 or 3] as the bytes of a PNG file."""
    return tf.io.encode_png(picture).numpy()
