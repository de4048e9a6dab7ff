"""Where the learners of a running job can be found: a file in the workdir of each, and beside it the job's key.

    workdir/roster.json    the learners' lobbies, for people and programs
    workdir/roster.key     mode 0600: 64 hexadecimal digits, which prove that a process is of this job

Whoever may read the key may take a place in the job.
"""

import contextlib
import json
import os
import secrets
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
      well: whether it has ended as it should.
    """

    lobbies: dict[int, tuple[str, int]]
    over: str | None = None
    well: bool = True


def write(path: str, roster: Roster) -> None:
    """Write a roster beside, then rename."""
    lobbies = [[rank, host, port] for rank, (host, port) in sorted(roster.lobbies.items())]
    files.write_text(path, json.dumps({"lobbies": lobbies, "over": roster.over, "well": roster.well}, indent=2) + "\n")


def write_key(path: str, key: bytes) -> None:
    """Write the key that belongs to the roster at `path`; nobody but its owner can read it, at any time."""
    beside = f"{key_file(path)}.{secrets.token_hex(4)}"
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
        return Roster({rank: (host, port) for rank, host, port in found["lobbies"]}, found["over"], found["well"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"--join={path}: no roster of a job ({error}); give a workdir's {NAME}, or HOST:PORT"
        ) from error


def key_file(path: str) -> str:
    """Where the key is that belongs to the roster at `path`."""
    return os.path.splitext(path)[0] + ".key"


def remove_key(path: str) -> None:
    """Remove the key: the job is over, and nobody needs it any more."""
    with contextlib.suppress(OSError):
        os.remove(key_file(path))


class Note(NamedTuple):
    """What a supervisor knows of its learner, once it takes part: which it is, which process, where the roster is."""

    rank: int
    process: str
    path: str


def note(rank: int, process: str, path: str) -> None:
    """Tell this learner's supervisor, if there is one, that the learner takes part in the job."""
    if to := os.environ.get(NOTE):
        files.write_text(to, f"{rank} {process} {os.path.abspath(path)}\n")


def noted(note: str) -> Note | None:
    """What `note` has written; None if the learner has never taken part."""
    try:
        with open(note) as file:
            rank, process, path = file.read().strip().split(" ", 2)
        return Note(int(rank), process, path)
    except (OSError, ValueError):
        return None
