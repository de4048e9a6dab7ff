"""Which latents and labels stand where on a sheet of samples."""

import dataclasses

import numpy as np

from tfdgan.errors import UserError
from tfdgan.models import latents as chosen


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Samples row by row.

    Attributes:
      latents: float32 [n, latent_size].
      labels: int32 [n], or None.
      columns: samples a row; None leaves it to the picture.
    """

    latents: np.ndarray
    labels: np.ndarray | None
    columns: int | None


def lay(sampler, layout, number, seed, *, frames, label=None, truncation=None):
    """The `Sheet` of a layout.

    Args:
      sampler: a `Sampler`.
      layout: "grid": `number` samples; "interpolation": `number` paths of `frames` samples each; "classes": `number`
        samples of every class.
      seed: of the latents.
      frames: used by interpolations.
      label: the class of all samples; None: each class in turn, for an interpolation from row to row.
      truncation: as `latents.truncated` takes it, or None.
    """
    classes = sampler.classes
    if classes is None and (label is not None or layout == "classes"):
        what = f"--label={label}" if label is not None else f"--layout={layout}"
        raise UserError(f"{what}: this generator knows no classes; train with --conditional")
    if label is not None and label >= classes:
        raise UserError(f"--label={label}: there are {classes} classes, numbered from 0")

    def drawn(count):
        latents = sampler.latents(count, seed, "picture").numpy()
        return latents if truncation is None else chosen.truncated(latents, truncation)

    def labels(rows):
        return np.full(rows, label, np.int32) if label is not None else np.arange(rows, dtype=np.int32) % classes

    if layout == "classes":
        return Sheet(np.tile(drawn(number), (classes, 1)), np.arange(classes, dtype=np.int32).repeat(number), number)
    if layout == "interpolation":
        ends = drawn(2 * number)
        latents = chosen.paths(ends[::2], ends[1::2], frames).reshape(number * frames, -1)
        return Sheet(latents, labels(number).repeat(frames) if classes else None, frames)
    return Sheet(drawn(number), labels(number) if classes else None, None)
