"""The best consensus of a run so far, kept in its workdir beside the last checkpoints."""

import json
import os

import numpy as np

from tfdgan import files
from tfdgan.errors import UserError
from tfdgan.training import checkpoints

_FILE, _RECORD = "best.npz", "record"


def keep(workdir, step, scores, consensus, manifest):
    """Keep a consensus if it is the best yet, by the first of its scores that can tell.

    A score of another name or signature than the best one's cannot be compared with it, and takes its place.

    Args:
      workdir: of the run.
      step, scores: the `Score`s at this step.
      consensus, manifest: as `Checkpoints.consensus` and `Checkpoints.manifest` give them.
    """
    score = next((score for score in scores if score.best), None)
    if score is None:
        return
    before, now = record(workdir), score.record(step)
    comparable = before and all(before[key] == now[key] for key in ("name", "signature"))
    if comparable and before["step"] != step and not score.beats(before["value"]):
        return
    with files.replacing(os.path.join(workdir, _FILE)) as file:
        np.savez(file, **consensus, **{_RECORD: json.dumps({**now, "manifest": manifest})})


def record(workdir):
    """The best score as `Score.record` has it, with "manifest"; None if none was kept."""
    path = os.path.join(workdir, _FILE)
    if not os.path.isfile(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(str(file[_RECORD]))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not readable ({error}); remove it") from error


def said(workdir):
    """A line about the best score, or None."""
    found = record(workdir)
    return found and f"best: {found['name']} {found['value']:.4g} at step {found['step']} (--step=best)"


def load(workdir):
    """(record, {name: array}) of the best consensus."""
    found = record(workdir)
    if found is None:
        raise UserError(
            f"--step=best: {workdir} has no best.npz; score checkpoints by --eval_every or evaluate --watch"
        )
    arrays = checkpoints.read(os.path.join(workdir, _FILE))
    return found, {name: array for name, array in arrays.items() if name != _RECORD}
