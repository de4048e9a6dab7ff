"""Sheets of samples: which latents and labels stand in which place."""

import dataclasses

import numpy as np

from tfdgan.errors import UserError
from tfdgan.models import latents as chosen
from tfdgan.tasks.latent_sampler import LatentSampler


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


def arrange(
    sampler: LatentSampler,
    layout: str,
    number: int,
    seed: int,
    *,
    frames: int = 0,
    label: int | None = None,
    truncation: float | None = None,
) -> Sheet:
    """The `Sheet` of a layout.

    Args:
      sampler: gives the latents.
      layout: "grid": `number` samples; "interpolation": `number` paths of `frames` samples each; "classes": `number`
        samples of every class.
      number: of samples or paths, as the layout says.
      seed: of the latents.
      frames: samples of a path.
      label: the number of the class of all samples, of a generator that knows classes; None: each class in turn, for
        an interpolation from row to row.
      truncation: as `latents.truncated` takes it, or None.

    Raises:
      UserError: the generator does not know the classes.
    """
    classes = sampler.classes
    if classes is None and layout == "classes":
        raise UserError("--layout=classes: this generator knows no classes; train with --conditional")
    known = classes or 1

    def drawn(count: int) -> np.ndarray:
        latents = sampler.latents(count, seed, "picture").numpy()
        return latents if truncation is None else chosen.truncated(latents, truncation)

    def labels(rows: int) -> np.ndarray:
        return np.full(rows, label, np.int32) if label is not None else np.arange(rows, dtype=np.int32) % known

    if layout == "classes":
        return Sheet(np.tile(drawn(number), (known, 1)), np.arange(known, dtype=np.int32).repeat(number), number)
    if layout == "interpolation":
        ends = drawn(2 * number)
        latents = chosen.paths(ends[::2], ends[1::2], frames).reshape(number * frames, -1)
        return Sheet(latents, labels(number).repeat(frames) if classes else None, frames)
    return Sheet(drawn(number), labels(number) if classes else None, None)
