"""Where the learners of a running job can be found: a file in the workdir of each, and beside it the job's key.

    workdir/roster.json    the learners' lobbies, for people and programs
    workdir/roster.key     mode 0600: 64 hexadecimal digits, which prove that a process is of this job

Whoever may read the key may take a place in the job.
"""

import contextlib
import json
import os
import socket
from typing import NamedTuple

from tfdgan.errors import UserError
from tfdgan.storage import files

NAME = "roster.json"
NOTE = "TFDGAN_ROSTER_NOTE"  # in a learner's environment: the file in which its supervisor wants to read of the roster


class Roster(NamedTuple):
    """Who is there.

    Attributes:
      lobbies: {learner: (host, port)} of those that live.
      over: None while the job runs; else words on how it has ended.
    """

    lobbies: dict[int, tuple[str, int]]
    over: str | None = None


def write(path: str, roster: Roster) -> None:
    """Write a roster beside, then rename."""
    lobbies = [[rank, host, port] for rank, (host, port) in sorted(roster.lobbies.items())]
    files.write_text(path, json.dumps({"lobbies": lobbies, "over": roster.over}, indent=2) + "\n")


def write_key(path: str, key: bytes) -> None:
    """Write the key that belongs to the roster at `path`; nobody but its owner can read it, at any time."""
    beside = f"{key_file(path)}.{socket.gethostname()}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.remove(beside)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.hex() + "\n")
    os.replace(beside, key_file(path))


def read(path: str) -> Roster:
    """The roster at `path`.

    Raises:
      UserError: there is none, or something else.
    """
    try:
        with open(path) as file:
            found = json.load(file)
        return Roster({rank: (host, port) for rank, host, port in found["lobbies"]}, found["over"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"--join={path}: no roster of a job ({error}); give a workdir's {NAME}, or HOST:PORT"
        ) from error


def key_file(path: str) -> str:
    """Where the key is that belongs to the roster at `path`."""
    return os.path.splitext(path)[0] + ".key"


def note(rank: int, path: str) -> None:
    """Tell this learner's supervisor, if there is one, that training has begun, and where the roster is."""
    if to := os.environ.get(NOTE):
        files.write_text(to, f"{rank} {os.path.abspath(path)}\n")


def noted(note: str) -> tuple[int, str] | None:
    """(learner, the roster's path) as `note` has written them; None if training has not begun."""
    try:
        with open(note) as file:
            rank, path = file.read().strip().split(" ", 1)
        return int(rank), path
    except (OSError, ValueError):
        return None
