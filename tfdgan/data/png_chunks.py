"""What the chunks of a PNG file say of its image, and Pillow only once it has decoded the image, or never."""

import struct
from typing import IO, NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY = (0, 4)  # colour types: grey, grey and alpha
_CHECKSUM = 4  # bytes behind each chunk
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ORIENTING = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # what texts that may state it begin with
_SHORT = max(map(len, _ORIENTING))


class Png(NamedTuple):
    """Of a file.

    Attributes:
      grey: whether pixels are grey, with an alpha channel or without; a palette counts as colours.
      may_be_turned: whether something, before the pixels or behind them, may state an orientation.
    """

    grey: bool
    may_be_turned: bool


def look(file: IO[bytes]) -> Png:
    """What the chunks of an open PNG file say; pixels are passed over."""
    file.seek(len(_SIGNATURE))
    grey = turned = False
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        begin = file.read(min(length, _SHORT)) if kind in (b"IHDR", *_TEXTS) else b""
        if kind == b"IHDR" and len(begin) > 9:
            grey = begin[9] in _GREY  # behind width, height and depth
        turned = turned or kind == b"eXIf" or begin.startswith(_ORIENTING)
        if kind == b"IEND":
            break
        file.seek(length - len(begin) + _CHECKSUM, 1)
    return Png(grey, turned)
