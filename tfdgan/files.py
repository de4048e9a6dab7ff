"""Writing files so that an interruption never damages what was there."""

import contextlib
import os


@contextlib.contextmanager
def replacing(path, mode="wb", encoding=None):
    """Open a file beside `path`; on success it is flushed to disk and takes `path`'s place, else it is removed."""
    beside, folder = f"{path}.{os.getpid()}.tmp", os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    try:
        with open(beside, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _flush_folder(folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(beside)


def _flush_folder(folder):
    """Bring a folder's names to disk: without this a power cut may undo a rename, though not damage a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot; the new file is in place there all the same
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path, text):
    with replacing(path, "w", "utf-8") as file:
        file.write(text)


def cache_folder():
    """TFDGAN_CACHE, or tfdgan under XDG_CACHE_HOME (~/.cache): for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("TFDGAN_CACHE") or os.path.join(base, "tfdgan")
