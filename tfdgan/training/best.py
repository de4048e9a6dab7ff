"""The best consensus of a run so far, kept in its workdir beside the last checkpoints.

One file for each kind of score: scores of another name or signature cannot be compared, so they never take each
other's place.
"""

import hashlib
import json
import math
import os
from collections.abc import Sequence
from typing import Any

from tfdgan.errors import UserError
from tfdgan.metrics import Score
from tfdgan.training import consensus_file
from tfdgan.training.consensus_file import Consensus

_FOLDER = "best"


def keep(workdir: str, step: int, scores: Sequence[Score], consensus: Consensus, manifest: dict[str, Any]) -> None:
    """Keep a consensus if it is the best yet, by the first of its scores that has a `best`.

    Args:
      workdir: of the run.
      step, scores: the `Score`s at this step.
      consensus, manifest: as `Checkpoints.consensus` and `Checkpoints.manifest` give them.
    """
    score = next((score for score in scores if score.best), None)
    if score is None or math.isnan(score.value):
        return
    now = score.record(step)
    signature = {name: value for name, value in now["signature"].items() if name != "warning"}
    kind = json.dumps([now["name"], signature], sort_keys=True)
    path = os.path.join(workdir, _FOLDER, f"{hashlib.blake2b(kind.encode(), digest_size=6).hexdigest()}.npz")
    if os.path.isfile(path) and not score.beats(consensus_file.read_record(path)["value"]):
        return
    consensus_file.write(path, consensus, {**now, "manifest": manifest})


def _path(workdir: str) -> str | None:
    """The file that was written last, or None."""
    folder = os.path.join(workdir, _FOLDER)
    names = [name for name in os.listdir(folder) if name.endswith(".npz")] if os.path.isdir(folder) else []
    return max((os.path.join(folder, name) for name in names), key=os.path.getmtime, default=None)


def is_kept(workdir: str) -> bool:
    """True if there is a best consensus."""
    return _path(workdir) is not None


def record(workdir: str) -> dict[str, Any] | None:
    """The best score as `Score.record` has it, with "manifest", of the kind that was kept last; None if none was."""
    path = _path(workdir)
    return consensus_file.read_record(path) if path else None


def said(workdir: str) -> str | None:
    """A line about the best score, or None."""
    found = record(workdir)
    return f"best: {found['name']} {found['value']:.4g} at step {found['step']} (--step=best)" if found else None


def load(workdir: str) -> tuple[dict[str, Any], Consensus]:
    """(record, {name: array}) of the best consensus of the kind that was kept last."""
    path = _path(workdir)
    if path is None:
        raise UserError(f"--step=best: {workdir} has none; score by --eval_every or evaluate --watch")
    return consensus_file.read(path)
