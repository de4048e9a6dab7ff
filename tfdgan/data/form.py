"""What images are brought to. Options need it, so this module imports nothing that takes long."""

import dataclasses
import re

WAYS = ("crop", "pad", "squash")


@dataclasses.dataclass(frozen=True)
class Form:
    """What all images of a run are brought to.

    Attributes:
      size: (height, width); None keeps the size that images have.
      resize: how an image of other proportions is fitted: "crop" cuts off what is too long, half on each side, "pad"
        adds the background there, "squash" changes the proportions.
      channels: 1 or 3; 0 keeps those that images have.
      background: red, green, blue in 0..255: what pads, and what is seen behind transparent pixels.
    """

    size: tuple[int, int] | None = None
    resize: str = "crop"
    channels: int = 0
    background: tuple[int, int, int] = (255, 255, 255)


AS_IT_IS = Form()


def size_of(text: str) -> tuple[int, int] | None:
    """(height, width) of "64" or "96x64"; None of "0". Raises ValueError for any other text."""
    if text == "0":
        return None
    found = re.fullmatch(r"([1-9][0-9]*)(?:[xX]([1-9][0-9]*))?", text)
    if not found:
        raise ValueError(f"no size: {text}")
    return int(found[1]), int(found[2] or found[1])


def colour_of(text: str) -> tuple[int, int, int]:
    """(red, green, blue) of a colour's name or #rrggbb. Raises ValueError for any other text."""
    from PIL import ImageColor

    return ImageColor.getrgb(text)[:3]
