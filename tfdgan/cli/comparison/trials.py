"""The runs of a comparison: one for each arm and seed, kept, gone on with, and made several at a time."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from tfdgan.cli import flagfiles
from tfdgan.cli.comparison.arms import Arm
from tfdgan.errors import UserError
from tfdgan.training import score_log
from tfdgan.training.checkpoints import Checkpoints

_LOG = "log.txt"
_FAILED = "failed.txt"
_GRACE = 15.0  # seconds for a run to save and end; horovodrun gives its learners 5


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run.

    Attributes:
      arm: how it trains.
      seed: of all its random numbers.
      workdir: where it trains, scores and says what happens (log.txt).
    """

    arm: Arm
    seed: int
    workdir: str

    @property
    def name(self) -> str:
        """The arm and the seed in words."""
        return f"{self.arm.name}, seed {self.seed}"

    @property
    def steps_done(self) -> int:
        """Up to which step there are scores."""
        return max((record["step"] for record in score_log.read(self.workdir)), default=0)

    def check(self) -> None:
        """Raise `UserError` if the workdir holds a run by other flags or by another number of learners."""
        if not os.path.isfile(os.path.join(self.workdir, flagfiles.FLAGFILE)):
            return
        mine = dataclasses.replace(self.arm.config, seed=self.seed, workdir=self.workdir)
        changed = flagfiles.differences(mine, flagfiles.load(self.workdir), ignore="free")
        learners = _learners(self.workdir)
        if learners not in (None, self.arm.learners):
            changed.append(f"learners: {learners} -> {self.arm.learners}")
        if changed:
            raise UserError(
                f"{self.workdir}: {self.name} was trained in another way; {'; '.join(changed)}; use another --output"
            )

    @property
    def done(self) -> bool:
        """True if the last step's scores are there."""
        return self.steps_done >= self.arm.config.steps

    @property
    def command(self) -> list[str]:
        """The command line that trains."""
        launcher = [os.path.join(os.path.dirname(sys.executable), "horovodrun"), "-np", str(self.arm.learners)]
        train = [sys.executable, "-m", "tfdgan.train", *self.arm.flags]
        own = [f"--seed={self.seed}", f"--workdir={self.workdir}"]
        return [*(launcher if self.arm.learners > 1 else []), *train, *own]

    @property
    def failure(self) -> str | None:
        """Why the last attempt ended, if it failed."""
        try:
            with open(os.path.join(self.workdir, _FAILED)) as file:
                return file.read().strip()
        except OSError:
            return None


def _learners(workdir: str) -> int | None:
    """By how many learners a workdir's newest checkpoint was made; None if there is none."""
    checkpoints = Checkpoints(workdir, rank=0, size=1, keep=1)
    steps = checkpoints.committed()
    return checkpoints.manifest(steps[-1])["learners"] if steps else None


def of(arms: Sequence[Arm], seeds: Sequence[int], output: str) -> list[Trial]:
    """All runs, the arms of a seed together: an interrupted comparison has whole seeds first."""
    return [
        Trial(arm, seed, os.path.join(output, "runs", arm.folder, f"seed_{seed}")) for seed in seeds for arm in arms
    ]


def run(trials: Sequence[Trial], jobs: int, after: Callable[[], object]) -> list[Trial]:
    """Make the runs that are not done, `jobs` at a time; returns those that failed.

    A run that failed is not tried again by this call; the next one says so and tries.

    Args:
      after: called after each run that is done.
    """
    for trial in trials:
        trial.check()
    waiting = [trial for trial in trials if not trial.done]
    progress = _Progress(trials)
    running: dict[Trial, subprocess.Popen] = {}
    logs: dict[Trial, int] = {}  # where in the log an attempt begins
    failed: list[Trial] = []
    with _ending(running):
        while waiting or running:
            while waiting and len(running) < jobs:
                trial = waiting.pop(0)
                if why := trial.failure:
                    _say(f"{trial.name}: trying again, it had ended with: {why}")
                running[trial], logs[trial] = _start(trial)
            ended = [trial for trial, process in running.items() if process.poll() is not None]
            for trial in ended:
                code = running.pop(trial).returncode
                if trial.done:
                    _say(f"{trial.name}: done")
                    after()
                else:
                    failed.append(trial)
                    why = _note_failure(trial, code, logs[trial])
                    _say(f"{trial.name}: failed, {why}; {trial.workdir}/{_LOG} has more")
            progress.tell(list(running), bool(ended))
            time.sleep(0.5)
    return failed


def _start(trial: Trial) -> tuple[subprocess.Popen, int]:
    """(the process, where in the log it begins)."""
    os.makedirs(trial.workdir, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(trial.workdir, _FAILED))
    with open(os.path.join(trial.workdir, _LOG), "a") as log:
        begin = log.tell()
        print(" ".join(trial.command), file=log, flush=True)
        try:
            process = subprocess.Popen(
                trial.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        except FileNotFoundError as error:
            raise UserError(f"{trial.command[0]} is not there: it starts several learners") from error
    return process, begin


def _note_failure(trial: Trial, code: int, begin: int) -> str:
    """Keep, and return, why a run has failed, by its log from `begin` on."""
    with open(os.path.join(trial.workdir, _LOG), errors="replace") as file:
        file.seek(begin)
        lines = [line.strip() for line in file if "error:" in line or "fault:" in line]
    why = f"exit code {code}: {lines[-1] if lines else 'no reason was given'}"
    with open(os.path.join(trial.workdir, _FAILED), "w") as file:
        file.write(why + "\n")
    return why


@contextlib.contextmanager
def _ending(running: dict[Trial, subprocess.Popen]) -> Iterator[None]:
    """Within it SIGTERM is an interruption as Ctrl-C is; whatever interrupts, what runs is asked to save and end."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)
        for process in running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        for process in running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class _Progress:
    """Says what is left: when something has ended, and every minute."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = trials
        self._total = sum(trial.arm.config.steps for trial in trials)
        self._began, self._first, self._spoke = time.monotonic(), self._done(), -60.0

    def _done(self) -> int:
        """Steps that are scored already, of all runs."""
        return sum(min(trial.steps_done, trial.arm.config.steps) for trial in self._trials)

    def tell(self, running: Sequence[Trial], news: bool) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if not news and now - self._spoke < 60:
            return
        self._spoke = now
        steps, runs = self._done(), sum(trial.done for trial in self._trials)
        line = f"{runs} of {len(self._trials)} runs done, {100 * steps / self._total:.0f}% of all steps"
        if steps > self._first and steps < self._total:
            left = (now - self._began) * (self._total - steps) / (steps - self._first)
            line += f", about {_in_words(left)} left"
        names = "; ".join(f"{trial.name} at step {trial.steps_done}" for trial in running)
        _say(line + (f" ({names})" if names else ""))


def _say(line: str) -> None:
    print(line, flush=True)


def _in_words(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
