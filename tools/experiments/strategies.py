"""The four strategies side by side on a small problem: scores along training, a table and a plot.

    python tools/experiments/strategies.py --problem=gaussians --seeds=0,1,2 --output=runs/strategies_gaussians
    python tools/experiments/strategies.py --problem=digits --seeds=0,1,2 --output=runs/strategies_digits

Each run is `horovodrun -np 4 python -m tfdgan.train` on the problem's own configuration with the strategy's flags.
Runs already finished are kept and interrupted ones resumed, so the command can be repeated until all is there.
"""

import os
import sys

import numpy as np
import trials
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.storage import files

STRATEGIES = {
    "local": ["--strategy=local"],
    "CP-OAdam": ["--strategy=centralized"],
    "DP-OAdam": ["--strategy=decentralized", "--topology=ring", "--norandom_mixing"],
    "Rand-DP-OAdam": ["--strategy=decentralized", "--topology=ring", "--random_mixing"],
}
_STEPS = {"gaussians": 20_000, "digits": 2_500}
_EVERY = {"gaussians": 2_000, "digits": 250}
_FLAGS = {"gaussians": ["--learning_rate_g=2e-3", "--learning_rate_d=2e-3"], "digits": []}  # for the longer run


def _define(flag_values):
    flags.DEFINE_enum("problem", "gaussians", list(_STEPS), "Which configuration.", flag_values=flag_values)
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.", flag_values=flag_values)
    flags.DEFINE_integer("learners", 4, "Learners.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the number of steps.", flag_values=flag_values)
    flags.DEFINE_string("gossip_backend", "auto", "What carries the exchange.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, table.md and plot.png.", flag_values=flag_values)


def table(results, steps):
    """A markdown table: a row a strategy, mean and range over seeds at the last step, time with set-up and scores."""
    names = list(trials.scores_at(next(iter(results.values()))[0], steps))
    lines = [
        f"| strategy | {' | '.join(names)} | seconds | steps/s |",
        "|---" * (len(names) + 3) + "|",
    ]
    for strategy, runs in results.items():
        cells = []
        for name in names:
            values = [trials.scores_at(scores, steps)[name] for scores in runs]
            spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3g}{spread}")
        seconds = np.mean([max(score["seconds"] for score in scores) for scores in runs])
        lines.append(f"| {strategy} | {' | '.join(cells)} | {seconds:.0f} | {steps / seconds:.3g} |")
    return "\n".join(lines) + "\n"


def plot(results, path):
    """The problem's first two scores against steps and against seconds."""
    names = list(dict.fromkeys(score["name"] for score in next(iter(results.values()))[0]))[:2]
    figure = Figure(figsize=(10, 3.5 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 2, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        for axis, quantity in zip(row, ("step", "seconds"), strict=True):
            for number, (strategy, runs) in enumerate(results.items()):
                for index, scores in enumerate(runs):
                    points = [(score[quantity], score["value"]) for score in scores if score["name"] == name]
                    axis.plot(*zip(*points, strict=True), f"C{number}-", label=strategy if index == 0 else None)
            axis.set(xlabel=quantity, ylabel=name)
            axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.savefig(path, dpi=100)


def main(argv):
    flag_values = command.parse(argv, _define)
    (output,) = command.required(flag_values, "output")
    problem = flag_values.problem
    steps = max(_EVERY[problem], round(_STEPS[problem] * flag_values.scale))
    results = {name: [] for name in STRATEGIES}
    for seed in trials.seeds(flag_values.seeds):
        for name in STRATEGIES:
            line = [f"--flagfile=configs/{problem}.flags", *STRATEGIES[name], *_FLAGS[problem], f"--seed={seed}"]
            line += [f"--eval_every={_EVERY[problem]}", f"--checkpoint_every={_EVERY[problem]}"]
            line += [f"--gossip_backend={flag_values.gossip_backend}"]
            results[name].append(
                trials.train(os.path.join(output, f"{name}-{seed}"), flag_values.learners, steps, line)
            )
            done = {name: runs for name, runs in results.items() if runs}
            files.write_text(os.path.join(output, "table.md"), table(done, steps))
            plot(done, os.path.join(output, "plot.png"))
    print(table(results, steps))


if __name__ == "__main__":
    command.run(main, sys.argv)
