"""The folder for what can be made again, and locks for processes that make the same thing at once."""

import contextlib
import functools
import os
import stat
import tempfile
import warnings
from collections.abc import Iterator

import filelock
import platformdirs

_PROBE = 1 << 20  # bytes that have to fit


def cache_folder() -> str:
    """TFDGAN_CACHE, or the user's cache folder: tfdgan under XDG_CACHE_HOME (~/.cache) on Linux."""
    return os.environ.get("TFDGAN_CACHE") or platformdirs.user_cache_dir("tfdgan")


def place(name: str) -> str:
    """Where the file or folder of this name is kept, or is to be.

    In the cache folder; or, where that lacks it and cannot be written, in a folder of this user's among the system's
    temporary ones, of which a warning tells once.
    """
    path = os.path.join(cache_folder(), name)
    if os.path.exists(path):
        return path
    path = os.path.join(_writable(cache_folder()), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


@contextlib.contextmanager
def keeping(path: str) -> Iterator[None]:
    """Write what only saves time: where that fails, a warning names the file, and the program goes on."""
    try:
        yield
    except OSError as error:
        warnings.warn(f"{path}: not kept ({error.strerror or error}); it will be made again", stacklevel=3)


def fault(folder: str) -> str | None:
    """Why a folder, which is made if there is none, cannot keep what is cached; None if it can."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE))
            file.flush()
        return None
    except OSError as error:
        return error.strerror or str(error)


@functools.cache
def _writable(folder: str) -> str:
    """The folder, or a temporary one if it cannot be written."""
    why = fault(folder)
    if why is None:
        return folder
    instead = _temporary()
    text = f"the cache folder {folder} cannot be written ({why}); {instead} is used instead"
    warnings.warn(f"{text}; set TFDGAN_CACHE to a folder that can", stacklevel=3)
    return instead


def _temporary() -> str:
    """A folder that this user's processes of this machine share, and nobody else can have made or may read."""
    path = os.path.join(tempfile.gettempdir(), f"tfdgan-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return path
    return tempfile.mkdtemp(prefix="tfdgan-")


def lock(path: str | os.PathLike[str]) -> filelock.BaseFileLock:
    """A context manager that one process at a time can enter.

    The lock is a file beside `path`, whose folder must exist. The system releases the lock when the process ends,
    however it ends.
    """
    return filelock.FileLock(f"{os.fspath(path)}.lock")
