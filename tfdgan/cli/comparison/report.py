"""The table, the numbers and the plot of a comparison."""

import json
import math
import os
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from tfdgan.cli.comparison import statistics
from tfdgan.cli.comparison.results import Result
from tfdgan.errors import UserError
from tfdgan.storage import files


def write(output: str, name: str, results: Sequence[Result], first: str, missing: Sequence[str]) -> str:
    """Write table.md, results.json and plot.png into a folder; returns the table.

    Args:
      name: of the score.
      results: of all runs that have scores, the arms in the order of the file.
      first: the arm that the others are compared with.
      missing: names of runs that are not done.
    """
    text = table(name, results, first, missing)
    files.write_text(os.path.join(output, "table.md"), text)
    files.write_text(os.path.join(output, "results.json"), json.dumps(_numbers(name, results), indent=1) + "\n")
    with files.replacing(os.path.join(output, "plot.png")) as file:
        plot(name, results).savefig(file, dpi=100, format="png")
    return text


def by_arm(results: Sequence[Result]) -> dict[str, dict[int, Result]]:
    """{arm's name: {seed: result}}, in the order in which arms come."""
    found: dict[str, dict[int, Result]] = {}
    for result in results:
        found.setdefault(result.trial.arm.name, {})[result.trial.seed] = result
    return found


def table(name: str, results: Sequence[Result], first: str, missing: Sequence[str]) -> str:
    """A markdown table, a row an arm: means over seeds with 95% intervals; differences to the first arm, seed by seed.

    Last scores are taken at the last step that all runs of the table have reached. The column of best scores is empty
    if the scores do not say whether high or low is better.

    Raises:
      UserError: no step was scored by all runs.
    """
    arms = by_arm(results)
    common = set.intersection(*(set(result.steps.tolist()) for result in results))
    if not common:
        raise UserError(f"{name}: the runs have no scored step in common; give all arms one --eval_every")
    step = max(common)
    lines = [
        f"| arm | {name} at step {step} | to {first} | best | seeds | ms a step | waiting | minutes | MB a step |",
        "|---" * 9 + "|",
    ]
    pick = {"high": np.max, "low": np.min}.get(results[0].best)
    reference = _at(arms.get(first, {}), step)
    for arm, runs in arms.items():
        last = _at(runs, step)
        difference = statistics.paired(last, reference) if arm != first else None
        best = statistics.interval([float(pick(run.values)) for run in runs.values()]) if pick else ""
        means = [float(np.mean([figure(run) for run in runs.values()])) for figure in _FIGURES]
        lines.append(
            f"| {arm} | {statistics.interval(list(last.values()))} | {_difference(difference, reference)} | {best} | "
            f"{', '.join(map(str, sorted(runs)))} | {1e3 * means[0]:.0f} | {100 * means[1]:.0f}% | {means[2]:.1f} | "
            f"{_megabytes(means[3])} |"
        )
    notes = [
        "",
        "Means over the seeds with 95% intervals (Student's t). Differences are taken seed by seed; percents are of "
        "the first arm's mean. Times are medians over ticks, without scores and set-up; minutes are from the start to "
        "the last score, with both. MB are what a learner sends.",
        "",
        f"Scored by: {_signatures(arms)}.",
    ]
    if missing:
        notes += ["", f"Not done: {'; '.join(missing)}."]
    return "\n".join([*lines, *notes]) + "\n"


_FIGURES: tuple[Callable[[Result], float], ...] = (
    lambda run: run.seconds,
    lambda run: run.waiting,
    lambda run: run.wall_minutes,
    lambda run: run.bytes / 1e6,
)


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


def _megabytes(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3g}"


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


def _numbers(name: str, results: Sequence[Result]) -> dict:
    """All that the table and the plot are made of."""
    return {
        "score": name,
        "best": results[0].best,
        "runs": [
            {
                "arm": result.trial.arm.name,
                "seed": result.trial.seed,
                "learners": result.trial.arm.learners,
                "flags": list(result.trial.arm.flags),
                "steps": result.steps.tolist(),
                "values": result.values.tolist(),
                "seconds_a_step": result.seconds,
                "waiting": result.waiting,
                "bytes_a_step": result.bytes,
                "wall_minutes": result.wall_minutes,
                "signature": result.signature,
            }
            for result in results
        ],
    }


def plot(name: str, results: Sequence[Result]) -> Figure:
    """The score against steps, seconds of training and bytes sent: a thin line a seed, a thick one for their mean."""
    figure = Figure(figsize=(15, 4.5), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    scales = (
        ("step", lambda run: 1.0),
        ("seconds of training", lambda run: run.seconds),
        ("MB sent by a learner", lambda run: run.bytes / 1e6),
    )
    for number, (arm, runs) in enumerate(by_arm(results).items()):
        common = sorted(set.intersection(*(set(run.steps.tolist()) for run in runs.values())))  # of the arm's seeds
        mean = np.mean([[run.values[run.steps == step][0] for step in common] for run in runs.values()], axis=0)
        for axis, (_, scale) in zip(axes, scales, strict=True):
            for run in runs.values():
                axis.plot(run.steps * scale(run), run.values, color=f"C{number % 10}", alpha=0.3, linewidth=0.8)
            factor = float(np.mean([scale(run) for run in runs.values()]))
            axis.plot(np.array(common) * factor, mean, color=f"C{number % 10}", label=arm)
    for axis, (label, _) in zip(axes, scales, strict=True):
        axis.set(xlabel=label, yscale="log")
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel(name)
    axes[0].legend(fontsize="small")
    return figure
