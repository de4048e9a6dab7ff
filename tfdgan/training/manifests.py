"""The manifests of a workdir's checkpoints: which checkpoints are there, and what they say. Loads no TensorFlow."""

import contextlib
import json
import os
import re
from typing import Any

from tfdgan.errors import UserError

_FOLDER = "checkpoints"
_STEP = re.compile(r"\d{8,}")


def root(workdir: str) -> str:
    """The folder of all checkpoints."""
    return os.path.join(workdir, _FOLDER)


def folder(workdir: str, step: int) -> str:
    """Where the checkpoint of a step is."""
    return os.path.join(root(workdir), f"{step:08d}")


def path(workdir: str, step: int) -> str:
    """The manifest of a step."""
    return os.path.join(folder(workdir, step), "manifest.json")


def begun(workdir: str) -> list[int]:
    """Ascending steps with a folder, committed or not."""
    names: list[str] = []
    with contextlib.suppress(OSError):  # there is none yet, or the disk has gone
        names = os.listdir(root(workdir))
    return sorted(int(name) for name in names if _STEP.fullmatch(name))


def committed(workdir: str) -> list[int]:
    """Ascending steps with a manifest: the checkpoints whose consensus is on this host."""
    return [step for step in begun(workdir) if os.path.isfile(path(workdir, step))]


def read(workdir: str, step: int) -> dict[str, Any]:
    """What `Checkpoints.save` was given, and {"step", "learners"}. Raises `UserError` if it cannot be read."""
    try:
        with open(path(workdir, step)) as file:
            found = json.load(file)
        found["learners"], found["sample_shape"]
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path(workdir, step)}: not readable ({error}); remove its folder to use an older checkpoint"
        ) from error
