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
