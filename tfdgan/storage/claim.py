"""Whose a folder is while somebody works in it: a lock, and beside it who holds it."""

import contextlib
import fcntl
import json
import os
import socket
import time
from typing import Any

from tfdgan.errors import UserError
from tfdgan.storage import files

_LOCK, _HOLDER = ".run.lock", ".run.json"
_GRACE = 3.0  # seconds in which a holder that is ending, or whose note has not come yet over a shared disk, may do so


class Claim:
    """A folder that one job works in at a time.

    The system releases the lock (`flock`) when its process ends, however it ends, so a dead holder never stands in the
    way. Processes of one job, which have one token, may claim a folder of a shared disk together. Where the disk has no
    locks nobody is refused.

    Args:
      folder: must exist.
      token: of the job.
    """

    def __init__(self, folder: str, token: str) -> None:
        self._folder, self._token = folder, token
        self._lock: int | None = None  # an open file

    def take(self) -> None:
        """Raise `UserError` that names the holder if the folder is another job's. Safe to call again."""
        until = time.monotonic() + _GRACE
        while self._lock is None:
            lock = os.open(os.path.join(self._folder, _LOCK), os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = lock
            except BlockingIOError:
                os.close(lock)
                if _holder(self._folder).get("token") == self._token:
                    return
                if time.monotonic() > until:
                    raise _refusal(self._folder) from None
                time.sleep(0.1)
            except OSError:  # no locks here
                os.close(lock)
                return
        mine = {"host": socket.gethostname(), "process": os.getpid(), "token": self._token}
        if not mine.items() <= _holder(self._folder).items():
            note = {**mine, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            files.write_text(os.path.join(self._folder, _HOLDER), json.dumps(note) + "\n")

    def keep(self) -> None:
        """Take the folder again if somebody has removed it, or the lock in it. Raises as `take` does."""
        if self._lock is not None and not self._is_in_place(self._lock):
            os.close(self._lock)
            self._lock = None
            os.makedirs(self._folder, exist_ok=True)
            self.take()

    def release(self) -> None:
        """Let others work in the folder."""
        if self._lock is not None:
            if self._is_in_place(self._lock):  # else the note may be another job's
                with contextlib.suppress(OSError):
                    os.remove(os.path.join(self._folder, _HOLDER))
            os.close(self._lock)
            self._lock = None

    def _is_in_place(self, lock: int) -> bool:
        try:
            return os.path.samestat(os.fstat(lock), os.stat(os.path.join(self._folder, _LOCK)))
        except OSError:
            return False


def is_held(folder: str) -> bool | None:
    """Whether a job works in a folder now; None if that cannot be told, as on a disk without locks."""
    try:
        lock = os.open(os.path.join(folder, _LOCK), os.O_RDONLY)
    except FileNotFoundError:  # no job has been there
        return False
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(lock)


def check(folder: str) -> None:
    """Raise `UserError` that names the holder if a job works in a folder now.

    `Claim.take` waits some seconds for a holder that is ending; this does not.
    """
    if is_held(folder):
        raise _refusal(folder)


def _refusal(folder: str) -> UserError:
    return UserError(f"--workdir={folder}: {_words(_holder(folder))}; use another folder, or end it first")


def _holder(folder: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder, _HOLDER)) as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _words(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process is at work in it"
    return f"process {holder.get('process')} on {holder.get('host')} has been at work in it since {holder.get('since')}"
