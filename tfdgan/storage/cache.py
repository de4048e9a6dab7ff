"""The folder for what can be made again, and locks for processes that make the same thing at once."""

import os

import filelock
import platformdirs


def cache_folder() -> str:
    """TFDGAN_CACHE, or the user's cache folder: tfdgan under XDG_CACHE_HOME (~/.cache) on Linux."""
    return os.environ.get("TFDGAN_CACHE") or platformdirs.user_cache_dir("tfdgan")


def lock(path: str | os.PathLike[str]) -> filelock.BaseFileLock:
    """A context manager that one process at a time can enter.

    The lock is a file beside `path`, whose folder must exist. The system releases the lock when the process ends,
    however it ends.
    """
    return filelock.FileLock(f"{os.fspath(path)}.lock")
