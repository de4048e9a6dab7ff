"""What a workdir says about its run. Nothing here loads TensorFlow."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfdgan.cli import flagfiles, scalars
from tfdgan.cli.reports import scores
from tfdgan.cli.reports.thinning import Curve
from tfdgan.errors import UserError
from tfdgan.tasks.options import TaskOptions
from tfdgan.training import best, consensus_file, manifests, score_log


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is there.

    Attributes:
      step: steps done.
      manifest: None if it cannot be read.
      bytes: of its files on this host.
      written: when, in seconds since 1970.
    """

    step: int
    manifest: Mapping[str, Any] | None
    bytes: int
    written: float


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, as far as its workdir tells.

    Attributes:
      workdir: the path.
      options: with which it was trained last.
      flags: lines of the flagfile.
      own: {"strategy", "objective": name of a piece of one's own, or ""}.
      checkpoints: by step.
      has_pretrained: whether the end of pretraining is kept.
      best: record of the best consensus that is kept; None if none is.
      records: of scores, as `scores.jsonl` has them.
      kinds: of these scores.
      curves: {name: curve} of what was logged for TensorBoard.
      logged: when the last figure was logged, in seconds since 1970; None if none was.
      last_step: of the figures that were logged; 0 if none was.
    """

    workdir: str
    options: TaskOptions
    flags: Sequence[str]
    own: Mapping[str, str]
    checkpoints: Sequence[Checkpoint]
    has_pretrained: bool
    best: Mapping[str, Any] | None
    records: Sequence[Mapping[str, Any]]
    kinds: Sequence[scores.Kind]
    curves: Mapping[str, Curve]
    logged: float | None
    last_step: int

    @property
    def steps_done(self) -> int:
        """The last step of which anything tells."""
        told = [self.last_step, *(checkpoint.step for checkpoint in self.checkpoints)]
        return max(told + [max(kind.by_step) for kind in self.kinds])

    @property
    def facts(self) -> tuple[str, Mapping[str, Any]] | None:
        """(where they are from, the manifest) of the newest checkpoint that can be read, or of the best consensus."""
        for checkpoint in reversed(self.checkpoints):
            if checkpoint.manifest is not None:
                return f"the checkpoint of step {checkpoint.step}", checkpoint.manifest
        if self.best and isinstance(self.best.get("manifest"), dict):
            return f"the best consensus, of step {self.best['step']}", self.best["manifest"]
        return None

    @property
    def learners(self) -> int | None:
        """How many there were at last; None if nothing tells."""
        if self.facts and self.facts[1].get("learners"):
            return self.facts[1]["learners"]
        curve = self.curves.get("network/learners")
        return int(curve.points[-1][1]) if curve and curve.points else None


def read(workdir: str, names: Sequence[str]) -> Run:
    """The run of a workdir, also while it trains.

    Args:
      names: of the TensorBoard scalars to read.

    Raises:
      UserError: nothing was trained there.
    """
    options = flagfiles.load(workdir)
    records = score_log.read(workdir)
    curves: dict[str, Curve] = {}
    logged, last_step = None, 0
    for point in scalars.logged(workdir, names):
        curves.setdefault(point.name, Curve()).add(point.step, point.value)
        logged, last_step = max(logged or 0.0, point.time), max(last_step, point.step)
    return Run(
        workdir=workdir,
        options=options,
        flags=_lines(os.path.join(workdir, flagfiles.FLAGFILE)),
        own=_own(workdir),
        checkpoints=_checkpoints(workdir),
        has_pretrained=consensus_file.has_pretrained(workdir),
        best=_best(workdir),
        records=records,
        kinds=scores.kinds(records),
        curves=curves,
        logged=logged,
        last_step=last_step,
    )


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def _own(workdir: str) -> dict[str, str]:
    try:
        found = json.loads("\n".join(_lines(os.path.join(workdir, flagfiles.OWN_PIECES))))
    except (OSError, ValueError):
        return {}
    return {str(name): str(what) for name, what in found.items()} if isinstance(found, dict) else {}


def _best(workdir: str) -> Mapping[str, Any] | None:
    """The record of the best consensus; None if there is none, or it cannot be read."""
    try:
        return best.record(workdir)
    except (UserError, OSError):
        return None


def _checkpoints(workdir: str) -> list[Checkpoint]:
    found = []
    for step in manifests.committed(workdir):
        folder = manifests.folder(workdir, step)
        try:
            size = sum(entry.stat().st_size for entry in os.scandir(folder))
            written = os.path.getmtime(manifests.path(workdir, step))
        except OSError:  # training has removed it meanwhile
            continue
        try:
            manifest = manifests.read(workdir, step)
        except UserError:
            manifest = None
        found.append(Checkpoint(step, manifest, size, written))
    return found
