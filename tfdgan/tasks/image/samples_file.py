"""Samples as a file: a picture, or arrays."""

from collections.abc import Callable

import numpy as np

from tfdgan.errors import UserError
from tfdgan.storage import files, npz, png
from tfdgan.tasks.image.nearest import Nearest
from tfdgan.tasks.image.pictures import as_stored
from tfdgan.tasks.image.sheets import Sheet

Draw = Callable[[np.ndarray, int | None], np.ndarray | None]


def write(path: str, step: int, sheet: Sheet, samples: np.ndarray, draw: Draw, near: Nearest | None = None) -> None:
    """Write samples as a picture, or to an .npz file.

    Arrays of the .npz file: samples (images as uint8), latents, step, labels where there are some; with `near`
    neighbours, indices and distances, and names where there are some, a row for each sample. In a picture each row has
    a sample and its neighbours.

    Args:
      path: ends in .npz, or in .png.
      sheet: of the samples.
      draw: function (samples, columns) -> picture uint8, or None if these samples cannot be drawn.
      near: the real samples nearest to each.

    Raises:
      UserError: samples that cannot be drawn.
    """
    if path.endswith(".npz"):
        arrays = {"samples": as_stored(samples), "latents": sheet.latents, "step": step}
        if sheet.labels is not None:
            arrays["labels"] = sheet.labels
        if near:
            arrays |= {"neighbours": as_stored(near.samples), "indices": near.indices, "distances": near.distances}
            arrays |= {} if near.names is None else {"names": near.names}
        npz.write(path, arrays)
        return
    columns = sheet.columns
    if near:
        rows = np.concatenate([samples[:, np.newaxis], near.samples], axis=1)
        samples, columns = rows.reshape(-1, *samples.shape[1:]), rows.shape[1]
    picture = draw(samples, columns)
    if picture is None:
        raise UserError("these samples are neither images of 1 or 3 channels nor points of the plane; use .npz")
    with files.replacing(path) as file:
        file.write(png.to_png(picture))
