"""Whose a folder is while somebody works in it: a lock, and beside it who holds it."""

import contextlib
import json
import os
import socket
import time

import filelock

from tfdgan.errors import UserError
from tfdgan.storage import files

_LOCK, _HOLDER = ".run.lock", ".run.json"
_GRACE = 3.0  # seconds in which a holder that is ending, or whose note has not come yet over a shared disk, may do so


class Claim:
    """A folder that one job works in at a time.

    The system releases the lock when its process ends, however it ends, so a dead holder never stands in the way.
    Processes of one job, which have one token, may claim a folder of a shared disk together.

    Args:
      folder: must exist.
      token: of the job.
    """

    def __init__(self, folder: str, token: str) -> None:
        self._folder, self._token = folder, token
        self._lock = filelock.FileLock(os.path.join(folder, _LOCK))

    def take(self) -> None:
        """Raise `UserError` that names the holder if the folder is another job's. Safe to call again."""
        if self._lock.is_locked:
            return
        until = time.monotonic() + _GRACE
        while True:
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                holder = self._holder()
                if holder.get("token") == self._token:
                    return
                if time.monotonic() > until:
                    raise UserError(
                        f"--workdir={self._folder}: {_words(holder)}; use another folder, or end it first"
                    ) from None
                time.sleep(0.1)
                continue
            except NotImplementedError:  # a file system without locks
                return
            break
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder = {"host": socket.gethostname(), "process": os.getpid(), "since": since, "token": self._token}
        files.write_text(os.path.join(self._folder, _HOLDER), json.dumps(holder) + "\n")

    def release(self) -> None:
        """Let others work in the folder."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(self._folder, _HOLDER))
            self._lock.release()

    def _holder(self) -> dict[str, object]:
        try:
            with open(os.path.join(self._folder, _HOLDER)) as file:
                found = json.load(file)
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}


def _words(holder: dict[str, object]) -> str:
    if not holder:
        return "another process is at work in it"
    return f"process {holder.get('process')} on {holder.get('host')} has been at work in it since {holder.get('since')}"
