"""What a run leaves for people, kept by the first learner that lives."""

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfdgan import distributed
from tfdgan.distributed import collectives, launch
from tfdgan.errors import DiskError, LocalFault
from tfdgan.metrics import Score
from tfdgan.storage.claim import Claim
from tfdgan.training import agreement, best, samples, score_log
from tfdgan.training.consensus_file import Consensus
from tfdgan.training.monitor import Monitor, say
from tfdgan.training.options import RunOptions

Shown = np.ndarray | str | None

_MOST_TICKS = 200  # that are remembered


def is_writer() -> bool:
    """True on the first learner that lives, which writes for all."""
    return distributed.rank() == collectives.ranks()[0]


def say_once(line: str) -> None:
    """Print a line, on the first learner that lives."""
    if is_writer():
        say(line)


class Record:
    """Logs, scores and samples of a run. All learners make one and call its methods together.

    The others remember what the writer has not brought to its disk for certain, so that the next one goes on without a
    gap or a double, in the same folder or, without a shared disk, in its own.

    Attributes:
      start_is_shown: False if scores and samples of step `start` are missing, as where a run was killed between a
        checkpoint and its scores.

    Args:
      options: of the run.
      start: steps done already.
      hyper_parameters, flags: as `Monitor` takes them.
      holder: the learner whose workdir has the scores so far.
      last_good: says where the last good checkpoint is.
      claim: of the workdir, for this job; None: nobody else is kept out.
      memory: of a learner that joins a running job: what the others remember, as `memory` gives it.
    """

    def __init__(
        self,
        options: RunOptions,
        start: int,
        hyper_parameters: Mapping[str, Any],
        flags: str,
        holder: int,
        last_good: Callable[[], str],
        claim: Claim | None,
        memory: Mapping[str, Any] | None = None,
    ) -> None:
        self._options, self._arguments = options, (hyper_parameters, flags)
        self._last_good, self._claim = last_good, claim
        self._settled, self._ticks = start, list[tuple[int, Mapping[str, float]]]()
        self._flushed_by: int | None = None  # who was to flush the log at the last tick
        self._refused: set[str] = set()  # what the disk did not take the last time
        self._monitor: Monitor | None = None
        self._samples_path: str | None = None
        self.start_is_shown = True
        if memory is not None:
            self._settled, self._scores = memory["settled"], memory["scores"]
            self._ticks = [(step, scalars) for step, scalars in memory["ticks"]]
            self._began = time.monotonic() - memory["seconds"]
            return
        known: tuple[float, list[dict[str, Any]], bool] = (0.0, [], False)
        with collectives.together():
            if distributed.rank() == holder:
                seconds, scores = score_log.take_back(options.workdir, start), score_log.read(options.workdir)
                known = seconds, scores, _is_shown(options.workdir, start, scores)
        everyone = collectives.gather(known, "record.known")
        if holder not in collectives.ranks():
            raise LocalFault(f"learner {holder} was lost before the first step")
        seconds, self._scores, self.start_is_shown = everyone[collectives.ranks().index(holder)]
        self._began = time.monotonic() - seconds
        with collectives.together():
            self._take_up()

    def memory(self) -> dict[str, Any]:
        """What a learner has to know of the run that joins it."""
        ticks = [(step, {name: float(value) for name, value in scalars.items()}) for step, scalars in self._ticks]
        seconds = time.monotonic() - self._began
        return {"settled": self._settled, "scores": self._scores, "ticks": ticks, "seconds": seconds}

    def make_way(self, first: int) -> None:
        """Learner `first` is about to be back: if it will be the writer, the one there is brings all to disk."""
        writer = collectives.ranks()[0]
        if first > writer:
            return
        flushed = True
        if self._monitor is not None:
            flushed = self._monitor.flush()
            self._monitor.close()
            self._monitor = None
            launch.leave_floor()
        flushed = collectives.gather(flushed, "record.make_way")[0]
        if flushed and collectives.ranks()[0] == writer and self._ticks:
            self._settled, self._ticks = self._ticks[-1][0], []
        self._flushed_by = None

    def tick(self, step: int, scalars: Mapping[str, float]) -> None:
        """Take in a tick's scalars."""
        writer = collectives.ranks()[0]
        if self._flushed_by == writer:  # which is still there
            self._settled, self._ticks = self._ticks[-1][0], []
        self._ticks.append((step, scalars))
        was_writer = self._monitor is not None
        with contextlib.suppress(OSError):  # of a learner that becomes the writer: tried again at the next tick
            if (monitor := self._take_up()) and was_writer:
                monitor.tick(step, scalars)
            if monitor and len(self._ticks) >= _MOST_TICKS:
                monitor.flush()
        self._flushed_by = writer if len(self._ticks) >= _MOST_TICKS else None

    def meet(
        self,
        step: int,
        distance: float,
        consensus: Consensus,
        manifest: dict[str, Any],
        scores: Sequence[Score],
        show: Callable[[], Shown] | None,
        compare: Callable[[], agreement.Picture | None] | None,
    ) -> bool:
        """Take in what was found when learners met, and bring all to disk.

        Args:
          distance: the exact consensus distance.
          consensus, manifest: as `best.keep` takes them.
          scores: on the writer; empty where there are none.
          show: makes samples to keep; None where there are no scores.
          compare: makes the picture of learners beside each other, if there is one; None where there are no scores.

        Returns:
          False if the writer was lost meanwhile, and with it the scores.
        """
        writer = collectives.ranks()[0]
        seconds = {"seconds": round(time.monotonic() - self._began, 3)}
        records = [{**score.record(step), **seconds} for score in scores]
        flushed = True
        # Learners would wait for the writer in the next step anyway.
        with self.disk(step, "scores or samples"), collectives.together():
            monitor = self._take_up()
            if monitor:
                monitor.scalar(step, "consensus/distance_exact", distance)
                monitor.scores(step, scores, records)
            if self._claim:
                self._claim.keep()
            if monitor:
                if show:
                    best.keep(self._options.workdir, step, scores, consensus, manifest)
                    self._samples_path = monitor.samples(step, show()) or self._samples_path
                    if compare and (picture := compare()):
                        monitor.picture(step, agreement.TAG, *picture)
                    # Last: where the records of a step are, nothing else of it is missing, unless a disk was full.
                    monitor.write_scores()
                flushed = monitor.flush()
        records, flushed = collectives.gather((records, flushed), "record.scores")[0]
        if collectives.ranks()[0] != writer:
            return False
        self._scores += records
        if flushed:
            self._settled, self._ticks, self._flushed_by = step, [], None
        return True

    @contextlib.contextmanager
    def disk(self, step: int, what: str) -> Iterator[list[str]]:
        """Write, all learners together, what training can go on without until the next time.

        What a disk refuses is said once. Yields a list that will hold the reason.
        """
        problems: list[str] = []
        try:
            yield problems
        except DiskError as error:
            problems.append(error.as_flags())
            if what not in self._refused:
                self._refused.add(what)
                say_once(
                    f"warning: step {step}: {what} could not be written ({problems[0]}); last good checkpoint: "
                    f"{self._last_good()}; training goes on and tries again"
                )
        else:
            if what in self._refused:
                self._refused.remove(what)
                say_once(f"step {step}: {what} could be written again")

    def close(self, is_done: bool) -> None:
        """End the logs, and say where things are."""
        if self._monitor is None:
            return
        self._monitor.close()
        if self._samples_path:
            say(f"samples: {self._samples_path}")
        if found := best.said(self._options.workdir):
            say(found)
        say(f"watch: tensorboard --logdir {shlex.quote(self._options.workdir)}")
        if is_done:
            say(f"done: {self._options.steps} steps, {self._options.workdir}")

    def _take_up(self) -> Monitor | None:
        """The logs, on the writer: opened where the writer before has left them."""
        if not is_writer():
            return None
        if self._monitor is None:
            launch.take_floor()
            if self._claim:
                self._claim.take()
            score_log.complete(self._options.workdir, self._scores)
            monitor = Monitor(self._options.workdir, self._options.steps, self._settled, *self._arguments)
            for tick in self._ticks:
                monitor.tick(*tick)
            self._monitor = monitor
        return self._monitor


def _is_shown(workdir: str, step: int, scores: Sequence[Mapping[str, Any]]) -> bool:
    """True if training has left all it shows of this step: its scores, or, of a run that makes none, samples."""
    if any(record["step"] == step and "seconds" in record for record in scores):
        return True
    has_samples = any(os.path.exists(samples.path(workdir, step, kind)) for kind in ("png", "txt"))
    return has_samples and not scores and best.record(workdir) is None
