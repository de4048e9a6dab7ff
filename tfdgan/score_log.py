"""The scores of a run: `scores.jsonl` of its workdir, one JSON object a line."""

import json
import os

from tfdgan import files

NAME = "scores.jsonl"


def read(workdir):
    """The records, dicts, in the order in which they were written; [] where there are none."""
    path = os.path.join(workdir, NAME)
    if not os.path.isfile(path):
        return []
    with open(path) as file:
        return [record for line in file if (record := _parsed(line))]


def add(workdir, records):
    """Append records, dicts that JSON can hold."""
    with open(os.path.join(workdir, NAME), "a") as file:
        file.write("".join(json.dumps(record) + "\n" for record in records))


def take_back(workdir, step):
    """Drop what is beyond `step`, which will come again. Returns the seconds of training up to the last one kept."""
    path = os.path.join(workdir, NAME)
    if not os.path.isfile(path):
        return 0.0
    kept = [record for record in read(workdir) if record["step"] <= step]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    with open(path) as file:
        changed = file.read() != text
    if changed:
        files.write_text(path, text)
    return next((record["seconds"] for record in reversed(kept) if "seconds" in record), 0.0)  # `evaluate` has none


def _parsed(line):
    try:
        return json.loads(line)
    except ValueError:  # half a line: another process is writing it, or was killed
        return None
