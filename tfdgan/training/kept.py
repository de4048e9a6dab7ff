"""A consensus with a record of it, in one file; among them the one at the end of pretraining."""

import json
import os
import zipfile

import numpy as np

from tfdgan import files
from tfdgan.errors import UserError
from tfdgan.training import checkpoints

_RECORD = "record"
_PRETRAINED = "pretrained.npz"


def write(path, consensus, record):
    """Keep {name: array} and a record that JSON can hold; what was there stays until all is written."""
    with files.replacing(path) as file:
        np.savez(file, **consensus, **{_RECORD: json.dumps(record)})


def read_record(path):
    """The record of a file that `write` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(str(file[_RECORD]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not readable ({error}); remove it") from error


def read(path):
    """(record, {name: array}) of a file that `write` wrote."""
    arrays = checkpoints.read(path)
    return read_record(path), {name: array for name, array in arrays.items() if name != _RECORD}


def keep_pretrained(workdir, step, consensus, manifest):
    """Keep the consensus with which the game begins."""
    write(os.path.join(workdir, _PRETRAINED), consensus, {"step": step, "manifest": manifest})


def has_pretrained(workdir):
    return os.path.isfile(os.path.join(workdir, _PRETRAINED))


def load_pretrained(workdir):
    """(record, {name: array}) of that consensus."""
    if not has_pretrained(workdir):
        raise UserError(f"--step=pretrained: {workdir} has none (yet); --pretraining_steps makes one at their end")
    return read(os.path.join(workdir, _PRETRAINED))
