"""Sentences of a comparison's runs at many sampling temperatures: is a game better than a cooled language model?

    python tools/experiments/quality_diversity.py --results=runs/text_oracle/results.json --output=runs/text_diversity

One temperature says little, since any model trades diversity for quality (Caccia et al., "Language GANs Falling Short",
ICLR 2020). So each run's last generator is scored over temperatures, and its quality set beside that of a reference,
the first arm, of the same seed, at the same diversity (self-BLEU-4), between the reference's points on a straight line.
Quality is NLL_oracle, where there is an oracle, else BLEU-4. What is measured is kept: the same command goes on, and
with --reference it compares with another arm.
"""

import os
import sys

import numpy as np
from absl import flags
from comparison_results import first_score
from matplotlib.figure import Figure

from tfdgan import distributed
from tfdgan.cli import command
from tfdgan.cli.comparison import statistics
from tfdgan.cli.workdir import Workdir
from tfdgan.errors import UserError
from tfdgan.storage import files
from tfdgan.training import scoring

_TEMPERATURES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
_DIVERSITY = "self-BLEU-4"
_QUALITIES = {"NLL_oracle": "low", "BLEU-4": "high"}  # the first that is there; which is better


def _define(flag_values):
    text = "results.json of a comparison of sentences, beside its runs."
    flags.DEFINE_string("results", None, text, flag_values=flag_values)
    flags.DEFINE_integer("samples", 2000, "Sentences a temperature.", lower_bound=1, flag_values=flag_values)
    text = "Arm that the others are compared with, by default the first."
    flags.DEFINE_string("reference", None, text, flag_values=flag_values)
    flags.DEFINE_string(
        "output", None, "Folder for points_SAMPLES.tsv, table.md and plot.png.", flag_values=flag_values
    )


def measured(path, samples):
    """{temperature: {score's name: value}} of a workdir's last generator."""
    workdir = Workdir(path)
    if workdir.options.task != "text":
        raise UserError(f"{path}: has --task={workdir.options.task}; give a comparison of --task=text")
    _, stored, manifest = workdir.find()
    sampler = workdir.sampler(stored, manifest)
    found = {}
    for temperature in _TEMPERATURES:
        scores = scoring.score(workdir.task, sampler.at_temperature(temperature), samples, thorough=True)
        found[temperature] = {score.name: float(score.value) for score in scores}
    return found


def above(points, reference):
    """Mean difference of quality to the reference at equal diversity, over the points that lie within its range.

    Args:
      points, reference: [(diversity, quality), ...].

    Returns: nan if no point lies within.
    """
    x, y = zip(*sorted(reference), strict=True)
    found = [quality - np.interp(at, x, y) for at, quality in points if x[0] <= at <= x[-1]]
    return float(np.mean(found)) if found else float("nan")


def table(points, quality, reference):
    """A markdown table of {arm: {seed: {temperature: (diversity, quality)}}}, each arm compared with the reference."""
    head = [
        f"{quality} at temperature 1",
        f"{_DIVERSITY} at temperature 1",
        f"{quality} to {reference}, equal {_DIVERSITY}",
    ]
    lines = [f"| arm | {' | '.join(head)} | seeds |", "|---" * 5 + "|"]
    for arm, by_seed in points.items():
        cells = [statistics.interval([at[1.0][place] for at in by_seed.values()]) for place in (1, 0)]
        if arm != reference:
            shared = [seed for seed in by_seed if seed in points[reference]]
            apart = [above(by_seed[seed].values(), points[reference][seed].values()) for seed in shared]
            apart = [difference for difference in apart if np.isfinite(difference)]
            cells.append(statistics.interval(apart) if apart else "out of its range")
        else:
            cells.append("")
        lines.append(f"| {arm} | {' | '.join(map(str, cells))} | {', '.join(map(str, by_seed))} |")
    return "\n".join(lines) + "\n"


def plot(points, quality, path):
    """A line an arm over temperatures, means over seeds with 95% intervals."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for arm, by_seed in points.items():
        x, y = (
            [statistics.interval([at[t][place] for at in by_seed.values()]) for t in _TEMPERATURES] for place in (0, 1)
        )
        widths = [[i.half_width if np.isfinite(i.half_width) else 0 for i in axis] for axis in (y, x)]
        axes.errorbar([i.mean for i in x], [i.mean for i in y], *widths, fmt="o-", markersize=3, linewidth=1, label=arm)
    best = {"low": "lower", "high": "higher"}[_QUALITIES[quality]]
    axes.set(xlabel=f"{_DIVERSITY} (lower: more diverse)", ylabel=f"{quality} ({best}: better)")
    axes.legend(title=f"temperatures {_TEMPERATURES[-1]:g} (left) to {_TEMPERATURES[0]:g}")
    figure.savefig(path, dpi=100)


def _kept(path):
    """{(arm, seed): {temperature: {score's name: value}}} of a file of points, if it is there."""
    if not os.path.isfile(path):
        return {}
    with open(path) as file:
        head, *rows = [line.rstrip("\n").split("\t") for line in file]
    found = {}
    for arm, seed, temperature, *values in rows:
        scores = dict(zip(head[3:], map(float, values), strict=True))
        found.setdefault((arm, int(seed)), {})[float(temperature)] = scores
    return found


def _keep(found, path):
    names = list(next(iter(next(iter(found.values())).values())))
    lines = ["\t".join(["arm", "seed", "temperature", *names])]
    for (arm, seed), by_temperature in found.items():
        for temperature, scores in by_temperature.items():
            lines.append("\t".join([arm, str(seed), f"{temperature:g}", *(f"{scores[name]:.6g}" for name in names)]))
    files.write_text(path, "\n".join(lines) + "\n")


def main(argv):
    flag_values = command.parse(argv, _define)
    results, output = command.required(flag_values, "results", "output")
    runs = first_score(results)["runs"]
    arms = list(dict.fromkeys(run["arm"] for run in runs))
    reference = flag_values.reference or arms[0]
    if reference not in arms:
        raise UserError(f"--reference={reference}: no such arm; there are {', '.join(arms)}")
    os.makedirs(output, exist_ok=True)
    path = os.path.join(output, f"points_{flag_values.samples}.tsv")
    found = _kept(path)
    distributed.start()
    for run in runs:
        key = run["arm"], run["seed"]
        if key not in found:
            found[key] = measured(os.path.join(os.path.dirname(results), run["workdir"]), flag_values.samples)
            _keep(found, path)
            print(f"{run['arm']}, seed {run['seed']}: {len(_TEMPERATURES)} temperatures", flush=True)
    scores = next(iter(found.values()))[1.0]
    quality = next(name for name in _QUALITIES if name in scores)
    points = {}
    for run in runs:
        at = {t: (one[_DIVERSITY], one[quality]) for t, one in found[run["arm"], run["seed"]].items()}
        points.setdefault(run["arm"], {})[run["seed"]] = at
    text = table(points, quality, reference)
    files.write_text(os.path.join(output, "table.md"), text)
    plot(points, quality, os.path.join(output, "plot.png"))
    print(text)


if __name__ == "__main__":
    command.run(main, sys.argv)
