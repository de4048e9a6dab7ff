"""Writing files so that an interruption never damages what was there."""

import contextlib
import os


@contextlib.contextmanager
def replacing(path, mode="wb"):
    """Open a file beside `path`; on success it is flushed to disk and takes `path`'s place, else it is removed."""
    beside = f"{path}.{os.getpid()}.tmp"
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    try:
        with open(beside, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(beside)


def write_text(path, text):
    with replacing(path, "w") as file:
        file.write(text)


def cache_folder():
    """TFDGAN_CACHE, or tfdgan under XDG_CACHE_HOME (~/.cache): for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("TFDGAN_CACHE") or os.path.join(base, "tfdgan")
