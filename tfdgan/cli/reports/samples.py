"""The samples that a run has left, chosen over its steps."""

import base64
import dataclasses
import io
import os
import re

import numpy as np
from PIL import Image

from tfdgan.training import samples

_FILE = re.compile(r"(\d{8,})\.(png|txt)")
_SMALL = 320  # pixels of the longer side of a picture that is shown small
_LARGE = 1600  # the same, of the last one
_LINES, _BYTES = 40, 1 << 16  # of a text that are shown


@dataclasses.dataclass(frozen=True)
class Picture:
    """Samples of a step. `width` and `height` are in pixels; `source` is a data: URI."""

    step: int
    source: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Text:
    """Samples of a step: the first lines."""

    step: int
    lines: list[str]


def pictures(workdir: str, most: int = 5) -> list[Picture]:
    """At most `most` pictures, spread evenly from the first to the last, which is the only large one."""
    steps = _steps(workdir, "png")
    places = np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int)
    chosen = [steps[place] for place in dict.fromkeys(places.tolist())]
    found = [_picture(workdir, step, _LARGE if step == steps[-1] else _SMALL) for step in chosen]
    return [picture for picture in found if picture]


def text(workdir: str) -> Text | None:
    """The last text; None if there is none."""
    for step in reversed(_steps(workdir, "txt")):
        try:
            with open(samples.path(workdir, step, "txt"), encoding="utf-8", errors="replace") as file:
                return Text(step, file.read(_BYTES).splitlines()[:_LINES])
        except OSError:  # it has gone, or the disk has
            continue
    return None


def _steps(workdir: str, kind: str) -> list[int]:
    try:
        names = os.listdir(os.path.join(workdir, "samples"))
    except OSError:
        return []
    found = (_FILE.fullmatch(name) for name in names)
    return sorted(int(match[1]) for match in found if match and match[2] == kind)


def _picture(workdir: str, step: int, most: int) -> Picture | None:
    """A file as it is, or smaller as JPEG; None if it is no picture."""
    path = samples.path(workdir, step, "png")
    try:
        with open(path, "rb") as file:
            data = file.read()
        with Image.open(io.BytesIO(data)) as image:
            kind, size = "png", image.size
            if max(size) > most:
                smaller, stream = image.convert("RGB"), io.BytesIO()
                smaller.thumbnail((most, most), Image.Resampling.LANCZOS)
                smaller.save(stream, "JPEG", quality=85)
                if len(stream.getvalue()) < len(data):  # pictures of few pixels are small as they are
                    kind, size, data = "jpeg", smaller.size, stream.getvalue()
            else:
                image.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what Pillow raises of damaged files
        return None
    return Picture(step, f"data:image/{kind};base64,{base64.b64encode(data).decode()}", *size)
