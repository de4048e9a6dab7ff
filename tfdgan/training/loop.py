"""The training loop: steps, ticks, checkpoints and scores of one run, resumable at every checkpoint."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from tfdgan import distributed
from tfdgan.data import Source
from tfdgan.distributed import collectives, job, launch
from tfdgan.distributed.visit import Visit
from tfdgan.errors import DiskError, TrainingFault
from tfdgan.gossip import backends
from tfdgan.storage.claim import Claim
from tfdgan.training import (
    agreement,
    arrival,
    consensus,
    consensus_file,
    environment,
    recalibration,
    resumption,
    scoring,
)
from tfdgan.training.admission import Admission
from tfdgan.training.agenda import Agenda
from tfdgan.training.batches import batches_of
from tfdgan.training.checkpoints import Checkpoints
from tfdgan.training.company import Company
from tfdgan.training.consensus_file import Consensus
from tfdgan.training.monitor import say
from tfdgan.training.options import RunOptions
from tfdgan.training.record import Record, say_once
from tfdgan.training.set_back import set_back
from tfdgan.training.stop_request import StopRequest
from tfdgan.training.tick import RECONNECTIONS, Ticker
from tfdgan.training.trainer import Trainer


class Subject(scoring.Scored, agreement.Compared, Protocol):
    """What the loop needs of a task; `tasks.Task` documents it."""

    @property
    def labelled(self) -> bool:
        """True if training needs labels beside samples."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights."""

    def show(self, sampler: Any, seed: int) -> np.ndarray | str | None:
        """Samples as a picture or as text."""


class Run:
    """One training run of a job; every learner has one.

    Call `start` once, then `steps`.

    Args:
      options: the course of the run.
      task: what is generated.
      trainer: takes the steps.
      kind: which weights stand for the job where samples are made.
      data: names the data in errors.
      samples: as `resumption.resume` takes it.
      pretraining_steps: how many steps come before the game.
      can_set_back: whether a learner may go on from the mean of the others.
      admission: lets learners in at ticks; None where nobody can come back.
      visit: of a learner that joins a running job; None of one that was there from the start.
    """

    def __init__(
        self,
        options: RunOptions,
        task: Subject,
        trainer: Trainer,
        kind: consensus.Kind,
        data: str,
        samples: str = "",
        pretraining_steps: int = 0,
        can_set_back: bool = False,
        admission: Admission | None = None,
        visit: Visit | None = None,
    ) -> None:
        self._can_set_back = can_set_back
        self._options, self._task, self._trainer = options, task, trainer
        batches = options.recalibrate if recalibration.has_statistics(trainer.generator) else 0
        self._kind = dataclasses.replace(kind, recalibrated=batches)
        self._data, self._samples, self._agenda = data, samples, Agenda.of(options, pretraining_steps)
        self._rank = distributed.rank()
        self._checkpoints = Checkpoints(options.workdir, self._rank, distributed.size(), options.keep_checkpoints)
        self._record: Record | None = None
        self._company = Company(trainer, admission, collectives.lost())
        self._visit = visit
        self._is_saved = True
        self._holder = 0  # whose workdir has what the run has left so far
        self._resets = 0

    def start(self) -> int:
        """Restore the newest checkpoint or begin anew; returns the number of steps already done.

        A learner that joins a running job does neither; it is given its state in `steps`.
        """
        trainer, options = self._trainer, self._options
        if not self._visit:
            collectives.broadcast_to_all([v for variables in trainer.state.values() for v in variables])
        trainer.reseed_for_learner(self._rank)
        trainer.reset()
        if self._visit:
            return self._visit.told["step"]
        facts, data, samples = self._task.facts, self._data, self._samples
        step, self._holder = resumption.resume(trainer, self._checkpoints, options, facts, data, samples)
        return step

    def open_logs(self, start: int, hyper_parameters: dict[str, Any], flags: str, claim: Claim | None = None) -> None:
        """Open the logs; the arguments are as `Record` takes them. All learners call it together."""
        self._make_record = functools.partial(
            Record, self._options, start, hyper_parameters, flags, self._holder, self.last_good, claim
        )
        if not self._visit:
            self._record = self._make_record()

    def steps(self, source: Source, start: int) -> Any:
        """Take the steps from `start`; returns the sampler of the consensus.

        Raises:
          TrainingFault: NaN or Inf in a loss or a gradient.
          LocalFault: another learner is lost.
        """
        options, trainer, company = self._options, self._trainer, self._company
        count = options.batch_size * trainer.batches_a_step
        ticker = Ticker(trainer, count, options.seed)
        batches_from = batches_of(source, count, options.seed, self._task.labelled)
        reached, sampler = start, None
        with StopRequest() as stop:
            if self._visit:
                ticker.prepare()
                reached, batches = self._arrive(self._visit, batches_from)
            else:
                company.begin(start)
                batches = batches_from(start)
            record = self._open_record
            if reached and self._agenda.scores(reached) and not record.start_is_shown:
                sampler = self._meet(reached, save=False, score=True)
                ticker.skip()
            while reached < options.steps:
                steps = min(options.steps_per_loop, self._agenda.next_event(reached) - reached)
                ticker.add(trainer.steps(reached, steps, batches), steps)
                reached += steps
                if not self._agenda.is_event(reached):
                    continue
                report = ticker.exchange(reached, stop.requested, company.wanted)
                company.meet_losses(reached)
                company.meet_reconnections(reached, int(report.scalars[RECONNECTIONS]))
                company.meet_paces(reached, report.paces)
                if report.faults:
                    self._contain(reached, report.faults)
                record.tick(reached, report.scalars)
                save, score = self._agenda.saves(reached) or report.stop, self._agenda.scores(reached)
                if save or score:
                    sampler = self._meet(reached, save, score)
                    ticker.skip()
                if report.stop and reached < options.steps:
                    stop.heeded()
                    if self._is_saved:
                        say_once(f"stopped on request at step {reached}; the same command goes on from there")
                    break
                if reached < options.steps:
                    following = self._agenda.next_event(reached)
                    if company.meet_guests(reached, following, report.wanted, record, self._resets):
                        ticker.skip()
        if sampler is None:  # nothing was left to do
            sampler = self._sampler(self._consensus()[0])
        self._end(reached)
        return sampler

    def _arrive(self, visit: Visit, batches_from: Callable[[int], Iterator[Any]]) -> tuple[int, Iterator[Any]]:
        """Join a running job: (steps that it has done, the data from there on)."""
        begun = time.monotonic()
        arrived = arrival.arrive(visit, self._trainer, batches_from)
        self._record = self._make_record(memory=arrived.memory)
        self._resets = arrived.memory["resets"]
        launch.leave_floor()
        self._company.come_in(arrived)
        say(
            f"learner {self._rank} is in after step {arrived.step}, {time.monotonic() - begun:.0f} s after its nets "
            f"were built, with a state of {arrived.megabytes:.3g} MB"
        )
        return arrived.step, arrived.batches

    def _consensus(self) -> tuple[Consensus, float]:
        """(the consensus, the exact consensus distance)."""
        trainer, kind = self._trainer, self._kind
        stored, distance = consensus.gather(trainer, kind.shared)
        if kind.recalibrated:
            names = consensus.generator_names(trainer.generator, stored, kind.averaged)
            inputs = recalibration.generator_inputs(trainer, self._options.seed, self._task.classes)
            stored = recalibration.recalibrated(trainer.generator, stored, names, inputs, kind.recalibrated)
        return stored, distance

    def _sampler(self, stored: Consensus) -> Any:
        generator = self._trainer.generator
        weights = consensus.generator_weights(generator, stored, self._kind.averaged)
        return self._task.sampler(generator, weights, self._kind.label)

    def _meet(self, step: int, save: bool, score: bool) -> Any:
        """Form the consensus; save and score as asked. Returns the sampler."""
        options, task = self._options, self._task
        stored, distance = self._consensus()
        sampler = self._sampler(stored)
        manifest = {
            "consensus_distance": distance,
            "threads": job.threads(),
            "recalibrated": self._kind.recalibrated,
            **task.facts,
            "samples": self._samples,
            "learners": len(collectives.ranks()),
            **environment.described(),
        }
        record = self._open_record
        # Before the checkpoint: a run that resumes there does not make it again.
        if step == self._agenda.pretraining_steps:
            with record.disk(step, "the end of pretraining"):
                self._keep_pretrained(step, stored, manifest)
        if save:
            with record.disk(step, "the checkpoint") as problems:
                self._checkpoints.save(step, self._trainer.state, stored, manifest)
            self._is_saved = not problems
            if problems:
                self._checkpoints.discard(step)
        rows = agreement.rows(task, self._trainer, self._kind, options.seed) if score else {}
        while True:
            scores = scoring.score(task, sampler, seed=options.seed) if score else []
            show = functools.partial(task.show, sampler, options.seed) if score else None
            compare = functools.partial(agreement.drawn, task, sampler, options.seed, rows) if score else None
            if record.meet(step, distance, stored, manifest, scores, show, compare):
                break
        return sampler

    def _keep_pretrained(self, step: int, stored: Consensus, manifest: dict[str, Any]) -> None:
        writer = None
        while writer != collectives.ranks()[0]:  # again if the writer is lost meanwhile
            writer = collectives.ranks()[0]
            with collectives.together():
                if self._rank == writer:
                    consensus_file.keep_pretrained(self._options.workdir, step, stored, manifest)

    def _contain(self, reached: int, faults: dict[int, int]) -> None:
        """Set the learners with NaN or Inf back to where the others are, or raise `TrainingFault`."""
        learner = min(faults, key=lambda rank: (faults[rank], rank))
        what = f"NaN or Inf in a loss or gradient at step {faults[learner]} on learner {learner}"
        some_are_well = len(faults) < len(collectives.ranks())
        if not (some_are_well and self._can_set_back and self._resets < self._options.max_resets):
            times = f", after {self._resets} resets" if self._resets else ""
            raise TrainingFault(f"{what}{times}; last good checkpoint: {self.last_good()}")
        if not set_back(self._trainer, faults):
            raise TrainingFault(f"{what}, and all other learners are lost; last good checkpoint: {self.last_good()}")
        self._resets += 1
        others = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        say_once(
            f"warning: {what}{others}: set back at step {reached} to the mean of the others, "
            f"{self._resets} of at most {self._options.max_resets} times"
        )

    def last_good(self) -> str:
        """The folder of the newest checkpoint, or words that there is none."""
        committed = self._checkpoints.committed()
        return self._checkpoints.folder(committed[-1]) if committed else "none was saved yet"

    def abandon(self, why: str) -> None:
        """The run ends on every learner alike: nobody can come back to it."""
        self._company.close(f"the job has ended: {why}", well=False)

    def _end(self, step: int) -> None:
        done = step == self._options.steps
        self._company.meet_losses(step)  # of the last save: there is no further tick to tell of them
        self._company.close(f"the job {'is done' if done else 'was stopped'} at step {step}")
        if strangers := backends.refused():
            say(f"warning: learner {self._rank} refused {strangers} connection(s) that did not come from a learner")
        self._open_record.close(is_done=self._is_saved and done)
        if not self._is_saved:
            raise DiskError(
                f"{self._options.workdir}: the checkpoint of step {step}, where training ended, could not be written; "
                f"last good checkpoint: {self.last_good()}"
            )

    @property
    def _open_record(self) -> Record:
        if self._record is None:
            raise RuntimeError("Run.open_logs comes before Run.steps")
        return self._record
