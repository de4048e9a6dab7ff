"""What a workdir holds, for the commands that use a trained generator."""

import dataclasses
import warnings
from typing import Any

import keras

from tfdgan.cli import flagfiles
from tfdgan.cli.fit import consensus_kind
from tfdgan.errors import UserError
from tfdgan.tasks import names
from tfdgan.tasks.base import Sampler, Task
from tfdgan.training import best, consensus, consensus_file
from tfdgan.training.checkpoints import Checkpoints
from tfdgan.training.consensus_file import Consensus

Found = tuple[int, Consensus, dict[str, Any]]  # (step, consensus, manifest)


class Workdir:
    """The consensus generators of a workdir.

    Args:
      path: as `train` was given it, on learner 0's host.
      **changes: options to change, e.g. inception.

    Attributes:
      path: as given.
      options: with which it was trained, changed.
      task: what is generated; its models are built by the first call of `sampler`.
    """

    def __init__(self, path: str, **changes: Any) -> None:
        self.path, self.options = path, flagfiles.load(path, **changes)
        if self.options.model == "given":
            given = "its models were passed in from Python; name them by --model=package.module:factory"
            raise UserError(f"--workdir={path}: {given}")
        self._checkpoints = Checkpoints(path, rank=0, size=1, keep=1)
        self.task: Task = names.task_class(self.options.task)(self.options)
        self._generator: keras.Model | None = None

    @property
    def steps(self) -> list[int]:
        """Ascending steps of the checkpoints that are kept."""
        return self._checkpoints.committed()

    @property
    def has_pretrained(self) -> bool:
        """True if the end of pretraining is kept."""
        return consensus_file.has_pretrained(self.path)

    def find(self, step: int | str | None = None) -> Found:
        """(step, consensus, manifest) of a kept checkpoint by its number, "best" or "pretrained"; None: the newest."""
        if step in ("best", "pretrained"):
            record, stored = best.load(self.path) if step == "best" else consensus_file.load_pretrained(self.path)
            return record["step"], stored, record["manifest"]
        steps = self.steps
        if not steps:
            raise UserError(f"--workdir={self.path}: has no checkpoint yet")
        if step is not None and str(step) not in map(str, steps):
            more = [
                name
                for name, there in (("best", best.is_kept(self.path)), ("pretrained", self.has_pretrained))
                if there
            ]
            raise UserError(f"--step={step}: not kept; there are {', '.join([*map(str, steps), *more])}")
        found = self._newest_sound() if step is None else int(step)
        return found, self._checkpoints.consensus(found), self._checkpoints.manifest(found)

    def _newest_sound(self) -> int:
        problems = []
        for step in reversed(self.steps):
            problem = self._checkpoints.problem(step)
            if problem is None:
                return step
            problems.append(problem)
            warnings.warn(f"passed over a checkpoint: {problem}", stacklevel=4)
        raise UserError(f"--workdir={self.path}: no checkpoint is sound; {'; '.join(problems)}")

    def sampler(self, stored: Consensus, manifest: dict[str, Any]) -> Sampler:
        """The sampler of a consensus that `find` found."""
        if self._generator is None:
            self._generator, _ = self.task.rebuild(manifest)
        kind = dataclasses.replace(consensus_kind(self.options), recalibrated=manifest.get("recalibrated", 0))
        weights = consensus.generator_weights(self._generator, stored, kind.averaged)
        return self.task.sampler(self._generator, weights, kind.label)


def load(path: str, step: int | str | None = None, **changes: Any) -> tuple[Task, Sampler, int]:
    """(task, sampler, step) of a workdir at `step`: as `Workdir.find` takes it."""
    workdir = Workdir(path, **changes)
    found, stored, manifest = workdir.find(step)
    return workdir.task, workdir.sampler(stored, manifest), found
