"""Scoring the checkpoints of a workdir, by one process or by several that share out the samples."""

import os
import time
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from tfdgan import distributed
from tfdgan.cli.score_printer import ScorePrinter
from tfdgan.cli.workdir import Found, Workdir
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.metrics import Score
from tfdgan.tasks.base import Sampler
from tfdgan.training import best, score_log, scoring
from tfdgan.training.monitor import record_scores

_POLL = 2.0  # seconds between looks for new checkpoints


class CheckpointScorer:
    """Scores checkpoints of a workdir; prints, records and returns the scores. All learners call it together.

    It is the `Consensuses` that tasks see.

    Args:
      workdir: on every learner; checkpoints and scores are learner 0's, the others read the flags.
      samples: generated samples for a score, or None for what training takes.
      seed: of the samples.
      form: what scores are printed as: "text", "json" or "csv".

    Attributes:
      workdir: the path.
      samples, seed: as given.
      watching: whether checkpoints are scored as they appear.
    """

    def __init__(self, workdir: Workdir, samples: int | None, seed: int, form: str = "text") -> None:
        self._kept, self.workdir, self.samples, self.seed = workdir, workdir.path, samples, seed
        self.watching, self.progress = False, _bar
        self._printer = ScorePrinter(form)
        self._first = distributed.rank() == 0
        self._asked: tuple[int | str | None, Found] | None = None
        # A folder of its own: TensorBoard reads one file of a folder, and training may be writing.
        folder = os.path.join(self.workdir, "tensorboard", "evaluate")
        self._writer = tf.summary.create_file_writer(folder) if self._first else None

    def once(self, step: int | str | None) -> None:
        """Score the checkpoint `step`, as `Workdir.find` takes it, and draw the task's curves."""
        self._asked = step, self._found(step)  # one checkpoint, though training may write others meanwhile
        scores = self.score(step)
        self._draw_curves(step, scores)
        self._say_best()

    def watch(self) -> None:
        """Score every kept checkpoint that has no such scores yet, and those to come; keep the best.

        Ends after the last step of training. A checkpoint that training removes before its turn is passed over.
        """
        self.watching = True
        passed_over: set[int] = set()
        waiting, step, scores = False, None, None
        while True:
            step, ended = self._next(passed_over)
            if step is None and ended:
                break
            if step is None:
                if not waiting:
                    last = self._kept.options.steps
                    self._say(f"waiting for checkpoints of {self.workdir} up to step {last}; Ctrl-C ends this")
                waiting = True
                time.sleep(_POLL)
                continue
            waiting = False
            try:
                found = self._found(step)
            except UserError as error:  # the same on every learner
                self._say(f"step {step} is passed over: {error.as_flags()}")
                passed_over.add(step)
                continue
            scores = self._score(*found)
            passed_over.add(step)  # a signature may not tell that it is done
            with collectives.together():
                if self._first:
                    best.keep(self.workdir, step, scores, *found[1:])
        if scores is not None:
            self._draw_curves(self._kept.options.steps, scores)
        self._say_best()

    def score(self, step: int | str | None) -> list[Score]:
        """Score a kept checkpoint and record the scores; a list on learner 0, else an empty one."""
        return self._score(*self._found(step))

    def sampler(self, step: int | str | None) -> tuple[int, Sampler] | None:
        """(its number, the sampler) of a kept checkpoint, of "best" or of "pretrained"; None if there is none."""
        missing = None
        with collectives.together():
            if self._first:
                missing = step == "pretrained" and not self._kept.has_pretrained
        if self.share(missing):
            return None
        number, stored, manifest = self._found(step)
        with collectives.together():
            sampler = self._kept.sampler(stored, manifest)
        return number, sampler

    def steps(self) -> list[int]:
        """The kept checkpoints, ascending, the same on every learner."""
        return self.share(self._kept.steps if self._first else None)

    def share(self, value: Any) -> Any:
        """Learner 0's value, on every learner."""
        return collectives.gather(value, "evaluate.shared")[0]

    def _draw_curves(self, step: int | str | None, scores: list[Score]) -> None:
        for line in self._kept.task.draw_curves(step, scores, self):
            self._say(line)

    def _found(self, step: int | str | None) -> Found:
        """What `Workdir.find` finds on learner 0, on every learner."""
        if self._asked and self._asked[0] == step:
            return self._asked[1]
        found = None
        with collectives.together():
            if self._first:
                found = self._kept.find(step)
        return self.share(found)

    def _next(self, passed_over: set[int]) -> tuple[int | None, bool]:
        """(the first checkpoint that has no such scores yet, or None; whether the last one is there)."""
        found = None
        with collectives.together():
            if self._first:
                kept, done = self._kept.steps, self._scored_steps() | passed_over
                found = next((step for step in kept if step not in done), None), self._kept.options.steps in kept
        return self.share(found)

    def _scored_steps(self) -> set[int]:
        task = self._kept.task
        wanted: dict[str, Any] = {"generated": task.number(self.samples), "seed": self.seed}
        judges: dict[int, set[str]] = {}
        for record in score_log.read(self.workdir):
            signature = record["signature"]
            if "seconds" not in record and wanted.items() <= signature.items():  # training's own have seconds
                judges.setdefault(record["step"], set()).update(map(str, signature.values()))
        return {step for step, seen in judges.items() if seen >= set(task.judges)}

    def _score(self, step: int, stored: Any, manifest: dict[str, Any]) -> list[Score]:
        task = self._kept.task
        with collectives.together():
            sampler = self._kept.sampler(stored, manifest)
        scores = scoring.score(task, sampler, self.samples, self.seed, thorough=True, progress=self.progress)
        with collectives.together():
            if self._writer:
                if not scores:
                    raise UserError(task.why_no_score())
                self._say(f"step {step} of {self.workdir}")
                self._printer.show(step, scores)
                record_scores(self.workdir, step, scores, self._writer, {})
        return scores

    def _say_best(self) -> None:
        if found := best.said(self.workdir):
            self._say(found)

    def _say(self, line: str) -> None:
        if self._first:
            self._printer.remark(line)


def _bar(items: Iterable, length: int, what: str) -> Iterable:
    return tqdm(items, total=length, desc=what, unit="batch", disable=None)
