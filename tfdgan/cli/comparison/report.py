"""The table and the numbers of a comparison, and its files."""

import json
import math
import os
from collections.abc import Callable, Sequence

import numpy as np

from tfdgan.cli.comparison import pictures, statistics
from tfdgan.cli.comparison.results import Result, by_arm
from tfdgan.errors import UserError
from tfdgan.storage import files


def write(output: str, scores: dict[str, list[Result]], reference: str, missing: Sequence[str]) -> str:
    """Write table.md, results.json, plot.png, and scalars.png where some are asked for; returns the text of table.md.

    Args:
      scores: {name of a score: results of all runs that have some, the arms in the order of the file}.
      reference: the arm that the others are compared with.
      missing: names of runs that are not done.
    """
    text = tables(scores, reference, missing)
    files.write_text(os.path.join(output, "table.md"), text)
    files.write_text(os.path.join(output, "results.json"), json.dumps(_numbers(scores, output), indent=1) + "\n")
    drawn = {"plot.png": pictures.of_scores(scores)}
    results = next(iter(scores.values()))
    if results[0].costs.shown:
        drawn["scalars.png"] = pictures.of_scalars(results)
    for name, picture in drawn.items():
        with files.replacing(os.path.join(output, name)) as file:
            picture.savefig(file, dpi=100, format="png")
    return text


def tables(scores: dict[str, list[Result]], reference: str, missing: Sequence[str]) -> str:
    """A markdown table for each score, what training took after the first, how all is to be read, and what is missing.

    Raises:
      UserError: no step was scored by all runs.
    """
    lines: list[str] = []
    for name, results in scores.items():
        lines += [*_table(name, results, reference, costs=not lines), ""]
    lines += [
        "Means over the seeds with 95% intervals (Student's t). Differences are taken seed by seed; percents are of "
        f"the mean of {reference}. Times are medians over ticks, without scores and set-up; minutes are from the start "
        "to the last score, with both. MB are what a learner sends. Of pretraining no time or MB a step is shown.",
    ]
    shown = next(iter(scores.values()))[0].costs.shown
    if shown:
        lines[-1] += f" Means over the second half of training: {', '.join(shown)}."
    for name, results in scores.items():
        of = f" ({name})" if len(scores) > 1 else ""
        lines += ["", f"Scored by{of}: {_signatures(by_arm(results))}."]
    if missing:
        lines += ["", f"Not done: {'; '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _table(name: str, results: Sequence[Result], reference: str, costs: bool) -> list[str]:
    """The lines of a table, a row an arm: means over seeds with intervals; differences to the reference, seed by seed.

    Last scores are taken at the last step that all runs of the table have reached. The column of best scores is empty
    if the scores do not say whether high or low is better.
    """
    arms = by_arm(results)
    common = set.intersection(*(set(result.steps.tolist()) for result in results))
    if not common:
        raise UserError(f"{name}: the runs have no scored step in common; give all arms one --eval_every")
    step = max(common)
    head = ["arm", f"{name} at step {step}", f"to {reference}", "best", "seeds"]
    if costs:
        head += [*_FIGURES, *results[0].costs.shown]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    pick = {"high": np.max, "low": np.min}.get(results[0].best)
    compared_with = _at(arms.get(reference, {}), step)
    for arm, runs in arms.items():
        last = _at(runs, step)
        difference = statistics.paired(last, compared_with) if arm != reference else None
        best = statistics.interval([float(pick(run.values)) for run in runs.values()]) if pick else ""
        cells = [arm, statistics.interval(list(last.values())), _difference(difference, compared_with), best]
        cells.append(", ".join(map(str, sorted(runs))))
        if costs:
            cells += [text(_mean(figure, runs)) for figure, text in _FIGURES.values()]
            cells += [_number(_mean(_shown(scalar), runs)) for scalar in results[0].costs.shown]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _mean(figure: Callable[[Result], float], runs: dict[int, Result]) -> float:
    return float(np.mean([figure(run) for run in runs.values()]))


def _shown(scalar: str) -> Callable[[Result], float]:
    return lambda run: run.costs.shown[scalar]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


# {column: (what of a run, the mean over seeds in words)}
_FIGURES: dict[str, tuple[Callable[[Result], float], Callable[[float], str]]] = {
    "ms a step": (lambda run: 1e3 * run.costs.seconds, "{:.0f}".format),
    "waiting": (lambda run: run.costs.waiting, "{:.0%}".format),
    "minutes": (lambda run: run.wall_minutes, "{:.1f}".format),
    "MB a step": (lambda run: run.costs.bytes / 1e6, lambda mean: _number(mean) or "unknown"),
}


def _at(runs: dict[int, Result], step: int) -> dict[int, float]:
    return {seed: float(run.values[run.steps == step][0]) for seed, run in runs.items() if step in run.steps}


def _difference(found: statistics.Interval | None, reference: dict[int, float]) -> str:
    """In the score's own unit, and in percent of the mean reference."""
    if found is None:
        return ""
    mean = abs(float(np.mean(list(reference.values()))))
    widths = math.isfinite(found.half_width)
    text = f"{found.mean:+.2g}" + (f" +- {found.half_width:.2g}" if widths else "")
    if mean == 0:
        return text
    percent = f"{100 * found.mean / mean:+.1f}" + (f" +- {100 * found.half_width / mean:.1f}" if widths else "")
    return f"{text} ({percent}%)"


def _signatures(arms: dict[str, dict[int, Result]]) -> str:
    """What all scores have in common, and after it what they have not, with the arms' names."""
    signatures = {arm: next(iter(runs.values())).signature for arm, runs in arms.items()}
    first = {key: value for key, value in next(iter(signatures.values())).items() if key != "seed"}
    common = {key for key, value in first.items() if all(other.get(key) == value for other in signatures.values())}
    text = ", ".join(f"{key} {first[key]}" for key in first if key in common)
    for key in (key for key in first if key not in common):
        owners: dict[str, list[str]] = {}
        for arm, signature in signatures.items():
            owners.setdefault(str(signature.get(key)), []).append(arm)
        text += "".join(f", {key} {value} ({'; '.join(names)})" for value, names in owners.items())
    return text


def _numbers(scores: dict[str, list[Result]], output: str) -> list[dict]:
    """All that the tables and the plots are made of, a score each; workdirs as seen from `output`."""
    return [{"score": name, "best": found[0].best, "runs": _runs(found, output)} for name, found in scores.items()]


def _runs(results: Sequence[Result], output: str) -> list[dict]:
    return [
        {
            "arm": result.trial.arm.name,
            "seed": result.trial.seed,
            "workdir": os.path.relpath(result.trial.workdir, output),
            "learners": result.trial.arm.learners,
            "flags": list(result.trial.arm.flags),
            "steps": result.steps.tolist(),
            "values": result.values.tolist(),
            "seconds_a_step": result.costs.seconds,
            "waiting": result.costs.waiting,
            "bytes_a_step": result.costs.bytes,
            "scalars": result.costs.shown,
            "wall_minutes": result.wall_minutes,
            "signature": result.signature,
        }
        for result in results
    ]
