"""Image files: what they hold, and their pixels as people see them."""

import collections
import contextlib
import dataclasses
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfdgan.data import png_chunks
from tfdgan.data.form import Form
from tfdgan.errors import UserError

Opener = Callable[[], IO[bytes]]
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
_GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # of 16 bits
_ORIENTATION, _LYING = 274, (5, 6, 7, 8)  # EXIF's tag, and its values where height and width are exchanged
_BAD = (
    *(UnidentifiedImageError, OSError, ValueError, TypeError, SyntaxError, EOFError),
    *(RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error),  # of files in a zip file
)


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


def header(opened: Opener, name: str) -> Header:
    """The `Header` of a file, without decoding it.

    Args:
      opened: function that opens the file.
      name: of the file, for errors.

    Raises:
      UserError: the file is no image.
    """
    with _told(name), opened() as file, Image.open(file) as image:
        width, height = image.size
        # Pillow has no mode for grey and alpha of 16 bits. Its getexif decodes a PNG.
        is_png = image.format == "PNG"
        seen = png_chunks.look(file) if is_png else png_chunks.Png(grey=False, may_be_turned=True)
        grey = seen.grey or _is_grey(image)
        if seen.may_be_turned:
            file.seek(0)
            if image.getexif().get(_ORIENTATION) in _LYING:
                width, height = height, width
        return Header((height, width), 1 if grey else 3, 16 if image.mode in _DEEP else 8)


def pixels(opened: Opener, name: str, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """The pixels [h, w, channels] in 0..255 of a file: float32 of a grey image with 16 bits, else uint8.

    The image stands upright, as EXIF says. Transparent pixels show the background. Of an animation it is the first
    picture. Colours that are not red, green and blue are converted to them, and for one channel to grey (ITU-R 601).
    Colours of 16 bits are read in 8.

    Args:
      opened, name: as `header` takes them.
      channels: 1 or 3.
      background: red, green, blue.

    Raises:
      UserError: the file cannot be decoded.
    """
    with _told(name), opened() as file, Image.open(file) as stored:
        image = ImageOps.exif_transpose(stored)
        if image.mode in _DEEP:
            deep = np.asarray(image, np.float32)
            grey = deep / 257.0
            if (clear := image.info.get("transparency")) is not None:
                grey = np.where(deep == clear, np.dot((0.299, 0.587, 0.114), background), grey).astype(np.float32)
            return np.repeat(grey[..., np.newaxis], channels, axis=2)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            behind = Image.new("RGBA", image.size, (*background, 255))
            image = Image.alpha_composite(behind, image).convert("RGB")
        found = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return found.reshape(*found.shape[:2], channels)


def _is_grey(image: Image.Image) -> bool:
    if image.mode != "P":
        return image.mode in _GREY
    colours = np.reshape(image.getpalette("RGB") or [0, 1, 2], (-1, 3))
    return bool((colours == colours[:, :1]).all())


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """A context in which errors of a file become a `UserError` that names it."""
    try:
        yield
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"image {name}: too large ({_short(error)}); make it smaller or remove it") from error
    except _BAD as error:
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"image {name}: cannot be read ({error.strerror}); mend or remove it") from error
        raise UserError(f"corrupt image {name}: cannot be decoded ({_short(error)}); mend or remove it") from error


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


def fit(form: Form, sizes: Collection[tuple[int, int]]) -> str:
    """The form in words, and from which sizes images are brought to it; without any, these are not known."""
    least, most = _by(min(sizes, default=(0, 0))), _by(max(sizes, default=(0, 0)))
    span = "several sizes" if not sizes else least if least == most else f"{least} to {most}"
    resized = f", {form.resize} from {span}" if set(sizes) != {form.size} else ""
    return f"{_by(form.size or (0, 0))}x{form.channels} (height x width x channels{resized})"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _short(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no known format"
    return (str(error) or type(error).__name__).splitlines()[0][:100]
