"""What the runs of a comparison have given: scores, time and bytes."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfdgan.cli.comparison.trials import Trial
from tfdgan.errors import UserError
from tfdgan.training import score_log

_UNLIKE = ("seed", "weights")  # of signatures, beside which scores can be compared all the same


@dataclasses.dataclass(frozen=True)
class Result:
    """A run's scores of one name.

    Attributes:
      trial: the run.
      steps, values: of the scores, by step.
      seconds: that a step takes: the median over ticks, without scores and set-up; nan if there is none yet.
      waiting: share of `seconds` that a learner waits for others.
      bytes: that a learner sends a step; nan if it is not known.
      wall_minutes: from the start to the last score, with all there is beside steps.
      signature: of the scores.
      best: "low" or "high", if the scores say which is better, else "".
    """

    trial: Trial
    steps: np.ndarray
    values: np.ndarray
    seconds: float
    waiting: float
    bytes: float
    wall_minutes: float
    signature: dict[str, Any]
    best: str = ""


def read(trials: Sequence[Trial], name: str | None = None) -> tuple[str, list[Result]]:
    """(name of the score, the `Result`s of all runs that have some).

    Args:
      name: of the score; None: the first one of the first run of which is known whether high or low is better.

    Raises:
      UserError: no run has the score, or runs have scored it by different means.
    """
    records = {trial: score_log.read(trial.workdir) for trial in trials}
    better = {record["name"]: record.get("best", "") for found in records.values() for record in found}
    names = list(better)
    chosen = name or next((name for name in names if better[name]), names[0] if names else "")
    found = [_result(trial, [r for r in rows if r["name"] == chosen]) for trial, rows in records.items()]
    results = [result for result in found if result is not None]
    if not results:
        raise UserError(f"--score={chosen}: no run has it; there are {', '.join(names) or 'no scores'}")
    signatures = {json.dumps(_comparable(result.signature), sort_keys=True) for result in results}
    if len(signatures) > 1:
        raise UserError(f"{chosen}: runs differ in how they are scored: {' and '.join(sorted(signatures))}")
    return chosen, results


def _comparable(signature: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in signature.items() if key not in _UNLIKE}


def _result(trial: Trial, records: list[dict[str, Any]]) -> Result | None:
    if not records:
        return None
    latest = {record["step"]: record for record in records}
    steps = np.array(sorted(latest))
    last = latest[steps[-1]]
    ticks = scalars(trial.workdir, "time/step", "time/waiting_share", "network/bytes_a_step")
    # The first tick compiles.
    median = {name: float(np.median(points[1:] or points)) if points else np.nan for name, points in ticks.items()}
    return Result(
        trial,
        steps,
        np.array([latest[step]["value"] for step in steps]),
        median["time/step"],
        median["time/waiting_share"],
        median["network/bytes_a_step"],
        last.get("seconds", np.nan) / 60,
        last["signature"],
        last.get("best", ""),
    )


def scalars(workdir: str, *names: str) -> dict[str, list[float]]:
    """{name: values by step} of a run's TensorBoard scalars; of a step that was taken twice, the later."""
    folder = os.path.join(workdir, "tensorboard")
    if not os.path.isdir(folder):
        return {name: [] for name in names}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(folder, size_guidance={"tensors": 0})
    events.Reload()
    known = set(events.Tags()["tensors"])
    found = {}
    for name in names:
        points = {e.step: float(make_ndarray(e.tensor_proto)) for e in events.Tensors(name)} if name in known else {}
        found[name] = [points[step] for step in sorted(points)]
    return found
