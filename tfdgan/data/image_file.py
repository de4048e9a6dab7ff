"""Image files: what they hold, and their pixels as people see them."""

import collections
import dataclasses
from collections.abc import Sequence
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfdgan.data.form import Form
from tfdgan.errors import UserError

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
_GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # of 16 bits
_ORIENTATION, _LIES = 274, 5  # EXIF's tag; from this value on height and width are exchanged
_BAD = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says of its image, before it is decoded.

    Attributes:
      size: (height, width), upright.
      channels: 1 of a grey image, with an alpha channel or without; else 3.
      bits: 8, or 16 of a grey image that has so many.
    """

    size: tuple[int, int]
    channels: int
    bits: int


def header(file: IO[bytes], name: str) -> Header:
    """The `Header` of an open file; raises `UserError` that names the file if it has none."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            if image.getexif().get(_ORIENTATION, 1) >= _LIES:
                width, height = height, width
            channels = 1 if image.mode in _GREY else 3
            return Header((height, width), channels, 16 if image.mode in _DEEP else 8)
    except _BAD as error:
        raise UserError(f"corrupt image {name}: cannot be decoded ({_short(error)}); mend or remove it") from error


def pixels(file: IO[bytes], name: str, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """The pixels [h, w, channels] in 0..255 of an open file: float32 of an image with 16 bits, else uint8.

    The image stands upright, as EXIF says. Transparent pixels show the background. Of an animation it is the first
    picture. Colours that are not red, green and blue are converted to them, and for one channel to grey (ITU-R 601).

    Raises:
      UserError: the file cannot be decoded; its name is said.
    """
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode in _DEEP:
                grey = np.asarray(image, np.float32)[..., np.newaxis] / 257.0
                return np.repeat(grey, channels, axis=2)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                behind = Image.new("RGBA", image.size, (*background, 255))
                image = Image.alpha_composite(behind, image).convert("RGB")
            found = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except _BAD as error:
        raise UserError(f"corrupt image {name}: cannot be decoded ({_short(error)}); mend or remove it") from error
    return found.reshape(*found.shape[:2], channels)


def complete(form: Form, headers: Sequence[Header], where: str) -> Form:
    """The form with a size and channels: where it has none, the images' size, and 1 channel if all images are grey.

    Args:
      headers: of all images.
      where: they lie, for errors.

    Raises:
      UserError: images differ in size, and the form has none.
    """
    size = form.size
    if not size:
        sizes = collections.Counter(header.size for header in headers)
        if len(sizes) > 1:
            often = ", ".join(f"{_by(size)} ({count})" for size, count in sizes.most_common(3))
            raise UserError(
                f"{where}: images differ in size: {often}{', ...' if len(sizes) > 3 else ''}; give "
                "--image_size=HEIGHTxWIDTH"
            )
        size = next(iter(sizes))
    channels = form.channels or max(header.channels for header in headers)
    return dataclasses.replace(form, size=size, channels=channels)


def fit(form: Form, headers: Sequence[Header]) -> str:
    """The form in words, and from which sizes images are brought to it."""
    sizes = {header.size for header in headers}
    span = _by(min(sizes)) if len(sizes) == 1 else f"{_by(min(sizes))} to {_by(max(sizes))}"
    resized = f", {form.resize} from {span}" if sizes != {form.size} else ""
    return f"{_by(form.size or (0, 0))}x{form.channels} (height x width x channels{resized})"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _short(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no known format"
    return (str(error) or type(error).__name__).splitlines()[0][:100]
