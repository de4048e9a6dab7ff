"""What the runs of a comparison have given: scores, time, bytes, and figures of training."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfdgan.cli.comparison.trials import Trial
from tfdgan.cli.scalars import scalars, tags
from tfdgan.errors import UserError
from tfdgan.training import score_log

_TIMES = ("time/step", "time/waiting_share", "network/bytes_a_step")
_UNLIKE = ("seed", "warning", "weights")  # of signatures, beside which scores can be compared all the same


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a run's training took and showed.

    Attributes:
      seconds: that a step takes: the median over ticks, without scores and set-up; nan if there is none yet.
      waiting: share of `seconds` that a learner waits for others.
      bytes: that a learner sends a step; nan if it is not known.
      shown: {name: mean over the second half of training} of the TensorBoard scalars asked for; nan where it has none.
      pretraining: (number of steps, seconds, bytes) of the steps before the game, which all others are figures of.
      along: {name: (step, value)s by step} of the same scalars.
    """

    seconds: float
    waiting: float
    bytes: float
    shown: dict[str, float]
    pretraining: tuple[int, float, float] = (0, 0.0, 0.0)
    along: dict[str, list[tuple[int, float]]] = dataclasses.field(default_factory=dict)

    def spent(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(seconds, bytes sent) of training up to each of the steps."""
        before, seconds, sent = self.pretraining
        first, then = np.minimum(steps, before), np.maximum(steps - before, 0)
        if not before:
            return then * self.seconds, then * self.bytes
        return first * seconds + then * self.seconds, first * sent + then * self.bytes


@dataclasses.dataclass(frozen=True)
class Result:
    """A run's scores of one name.

    Attributes:
      trial: the run.
      steps, values: of the scores, by step.
      costs: of the training.
      wall_minutes: from the start to the last score, with all there is beside steps.
      signature: of the scores.
      best: "low" or "high", if the scores say which is better, else "".
    """

    trial: Trial
    steps: np.ndarray
    values: np.ndarray
    costs: Costs
    wall_minutes: float
    signature: dict[str, Any]
    best: str


def read(trials: Sequence[Trial], names: Sequence[str] = (), shown: Sequence[str] = ()) -> dict[str, list[Result]]:
    """{name of a score: the `Result`s of all runs that have some}.

    Args:
      names: of the scores; none: the first one of the first run of which is known whether high or low is better.
      shown: names of TensorBoard scalars.

    Raises:
      UserError: no run has a score or a scalar, or runs have scored by different means.
    """
    records = {trial: score_log.read(trial.workdir) for trial in trials}
    better: dict[str, str] = {}  # runs of older versions do not say
    for record in (record for found in records.values() for record in found):
        better[record["name"]] = better.get(record["name"]) or record.get("best", "")
    known = list(better)
    default = next((name for name in known if better[name]), known[0] if known else "")
    costs = {trial: _costs(trial, shown) for trial in trials}
    for name in shown:
        if all(np.isnan(of_run.shown[name]) for of_run in costs.values()):
            there = sorted({tag for trial in trials for tag in tags(trial.workdir)})
            raise UserError(f"--scalar={name}: no run has it; there are {', '.join(there) or 'none'}")
    found = {}
    for name in names or [default]:
        mine = {trial: [record for record in rows if record["name"] == name] for trial, rows in records.items()}
        found[name] = [_result(trial, rows, costs[trial], better[name]) for trial, rows in mine.items() if rows]
        if not found[name]:
            raise UserError(f"--score={name}: no run has it; there are {', '.join(known) or 'no scores'}")
        signatures = {json.dumps(_comparable(result.signature), sort_keys=True) for result in found[name]}
        if len(signatures) > 1:
            raise UserError(f"{name}: runs differ in how they are scored: {' and '.join(sorted(signatures))}")
    return found


def by_arm(results: Sequence[Result]) -> dict[str, dict[int, Result]]:
    """{arm's name: {seed: result}}, in the order in which arms come."""
    found: dict[str, dict[int, Result]] = {}
    for result in results:
        found.setdefault(result.trial.arm.name, {})[result.trial.seed] = result
    return found


def _comparable(signature: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in signature.items() if key not in _UNLIKE}


def _costs(trial: Trial, shown: Sequence[str]) -> Costs:
    config = trial.arm.config
    ticks, before = scalars(trial.workdir, *_TIMES, *shown), config.pretraining_steps

    def medians(first: int, last: int) -> list[float]:
        phase = [[value for step, value in ticks[name] if first < step <= last] for name in _TIMES]
        return [float(np.median(values[1:] or values or [np.nan])) for values in phase]  # the first tick compiles

    seconds, waiting, sent = medians(before, config.steps)
    pretraining = medians(0, before)
    halves = {name: [value for step, value in ticks[name] if 2 * step > config.steps] for name in shown}
    shown_means = {name: float(np.mean(half or [np.nan])) for name, half in halves.items()}
    along = {name: ticks[name] for name in shown}
    return Costs(seconds, waiting, sent, shown_means, (before, pretraining[0], pretraining[2]), along)


def _result(trial: Trial, records: list[dict[str, Any]], costs: Costs, best: str) -> Result:
    latest = {record["step"]: record for record in records}
    steps = np.array(sorted(latest))
    last = latest[steps[-1]]
    return Result(
        trial,
        steps,
        np.array([latest[step]["value"] for step in steps]),
        costs,
        last.get("seconds", np.nan) / 60,
        last["signature"],
        best,
    )
