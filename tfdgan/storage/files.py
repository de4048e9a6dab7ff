"""Writing files so that an interruption never damages what was there."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from typing import IO, Any


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb", encoding: str | None = None) -> Iterator[IO[Any]]:
    """Open a file beside `path`; on success it is flushed to disk and takes `path`'s place, else it is removed."""
    # Containers on several hosts have the same process numbers, and may share the folder.
    beside, folder = f"{path}.{secrets.token_hex(4)}.tmp", os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    try:
        with open(beside, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _flush_folder(folder)
    except OSError as error:
        if error.filename == beside:  # the reader knows the file by its own name
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            os.remove(beside)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file of UTF-8 text, whole or not at all."""
    with replacing(path, "w", "utf-8") as file:
        file.write(text)


def checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_folder(folder: str) -> None:
    """Bring a folder's names to disk: without this a power cut may undo a rename, though not damage a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot do this; the file is in place all the same
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
