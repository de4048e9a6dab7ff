"""The scores of a run: `scores.jsonl` of its workdir, one JSON object a line."""

import errno
import json
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

from tfdgan.storage import files

NAME = "scores.jsonl"


def read(workdir: str) -> list[dict[str, Any]]:
    """The records, dicts, in the order in which they were written; [] where there are none."""
    path = os.path.join(workdir, NAME)
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return [record for line in file if (record := _parsed(line))]


def add(workdir: str, records: Sequence[dict[str, Any]]) -> None:
    """Append records, dicts that JSON can hold, on lines of their own even after half a line: all of them or none."""
    if not records:
        return
    path = os.path.join(workdir, NAME)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    with open(path, "a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        text = (_line_end(file) + lines).encode()
        if file.write(text) != len(text):  # the disk is full: all or nothing
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def take_back(workdir: str, step: int) -> float:
    """Drop the records of steps beyond `step`; training will write them again.

    Returns the seconds of training up to the last record that is kept.
    """
    path = os.path.join(workdir, NAME)
    if not os.path.isfile(path):
        return 0.0
    kept = [record for record in read(workdir) if record["step"] <= step]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    with open(path, "rb") as file:
        changed = file.read() != text.encode()
    if changed:
        files.write_text(path, text)
    # `evaluate` keeps none.
    return next((record["seconds"] for record in reversed(kept) if _is_number(record.get("seconds"))), 0.0)


def complete(workdir: str, records: Sequence[dict[str, Any]]) -> None:
    """Make the log hold these records of training, and no others of training, such as those that nobody else knows."""
    here = read(workdir)
    wanted = [record for record in here if record in records or "seconds" not in record]
    wanted += [record for record in records if record not in here]
    if wanted != here:
        text = "".join(json.dumps(record) + "\n" for record in wanted)
        files.write_text(os.path.join(workdir, NAME), text)


def _line_end(file: BinaryIO) -> str:
    """A line end if the file's last line has none, as a process that was killed may leave it; else an empty text."""
    if not file.seek(0, os.SEEK_END):
        return ""
    file.seek(-1, os.SEEK_END)
    return "" if file.read(1) == b"\n" else "\n"


def _parsed(line: str) -> dict[str, Any] | None:
    """The record of a line; None of any other line, such as half a line of a process that was killed."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_record = isinstance(found, dict) and type(found.get("step")) is int and isinstance(found.get("name"), str)
    return found if is_record and _is_number(found.get("value")) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
