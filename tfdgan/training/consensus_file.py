"""A consensus with a record of it, in one file. The consensus at the end of pretraining is kept in such a file."""

import json
import os
import zipfile
from typing import Any

import numpy as np

from tfdgan.errors import UserError
from tfdgan.storage import npz

Consensus = dict[str, np.ndarray]  # {"group/index.variable": array}

_RECORD = "record"
_PRETRAINED = "pretrained.npz"


def write(path: str, consensus: Consensus, record: dict[str, Any]) -> None:
    """Write a consensus and a record that JSON can hold. A file of that name stays until all is written."""
    npz.write(path, {**consensus, _RECORD: json.dumps(record)})


def read_record(path: str) -> dict[str, Any]:
    """The record of a file that `write` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(str(file[_RECORD]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not readable ({error}); remove it") from error


def read(path: str) -> tuple[dict[str, Any], Consensus]:
    """(record, {name: array}) of a file that `write` wrote."""
    from tfdgan.training import checkpoints  # which loads TensorFlow; records can be read without

    arrays = checkpoints.read(path)
    return read_record(path), {name: array for name, array in arrays.items() if name != _RECORD}


def keep_pretrained(workdir: str, step: int, consensus: Consensus, manifest: dict[str, Any]) -> None:
    """Keep the consensus with which the game begins."""
    write(os.path.join(workdir, _PRETRAINED), consensus, {"step": step, "manifest": manifest})


def has_pretrained(workdir: str) -> bool:
    """True if the end of pretraining is kept in a workdir."""
    return os.path.isfile(os.path.join(workdir, _PRETRAINED))


def load_pretrained(workdir: str) -> tuple[dict[str, Any], Consensus]:
    """(record, {name: array}) of the consensus at the end of pretraining. Raises `UserError` if there is none."""
    if not has_pretrained(workdir):
        raise UserError(f"--step=pretrained: {workdir} has none (yet); --pretraining_steps makes one at their end")
    return read(os.path.join(workdir, _PRETRAINED))
