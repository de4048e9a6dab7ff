"""The strategies side by side on CIFAR-10: FD against iterations and time, and how far learners are apart.

    python tools/experiments/cifar_strategies.py --data_dir=YOUR_TFDS_FOLDER --inception=SAVED_MODEL \\
        --output=runs/cifar_strategies

A small DCGAN, WGAN-GP, 4 learners; CP-OAdam, DP-OAdam and one-peer exponential also with twice the learning rates. With
--rate=100mbit --delay=20ms each strategy but local trains some steps over such links, too (root, Linux), which gives
the time to a fixed FD there. Runs already finished are kept and interrupted ones resumed, so the command can be
repeated until all is there; --scale=10 trains ten times as long. Time is training's alone: no start-up, no scores.
"""

import os
import sys

import numpy as np
import over_network
import trials
from absl import flags
from matplotlib.figure import Figure
from strategies import STRATEGIES

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.storage import files
from tfdgan.training import score_log
from tools.network import jobs, links
from tools.network.lab import Lab

_ONE_PEER = ["--strategy=decentralized", "--topology=one_peer_exponential"]
# Adam divides by the gradient's noise, which is that of one learner's batch where gradients are not averaged first: at
# CP's rates the steps are shorter.
_TWICE = ["--learning_rate_g=8e-4", "--learning_rate_d=8e-4"]
_EQUAL = {**STRATEGIES, "one-peer exponential": _ONE_PEER}
_STRATEGIES = {
    **_EQUAL,
    "CP-OAdam, twice the rates": [*STRATEGIES["CP-OAdam"], *_TWICE],
    "DP-OAdam, twice the rates": [*STRATEGIES["DP-OAdam"], *_TWICE],
    "one-peer exponential, twice the rates": [*_ONE_PEER, *_TWICE],
}
_STEPS, _EVERY = 3000, 250
_FLAGS = [
    *("--dataset=cifar10", "--model=dcgan", "--width_g=16", "--width_d=16", "--latent_size=64", "--batch_size=16"),
    *("--critic_steps=2", "--learning_rate_g=4e-4", "--learning_rate_d=4e-4", "--eval_samples=5000"),
    *("--log_every=50", f"--eval_every={_EVERY}", f"--checkpoint_every={_EVERY}"),
]


def _define(flag_values):
    flags.DEFINE_string("data_dir", "", "Folder of the prepared TFDS set cifar10.", flag_values=flag_values)
    flags.DEFINE_string("inception", None, "SavedModel of the features.", flag_values=flag_values)
    flags.DEFINE_list("seeds", ["0"], "Seeds.", flag_values=flag_values)
    flags.DEFINE_integer("learners", 4, "Learners.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the number of steps.", lower_bound=0.1, flag_values=flag_values)
    text = "Of links over which to measure a step, as tools/netlab.py takes them; default: none."
    flags.DEFINE_string("rate", "", text, flag_values=flag_values)
    flags.DEFINE_string("delay", None, "Of these links, one way.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, tables and plot.png.", flag_values=flag_values)


def curves(workdir):
    """{"steps", "seconds", "FD"} at the scores and {"ticks", "distance"} at the ticks, and seconds a step, waiting."""
    scores = [score for score in score_log.read(workdir) if score["name"].startswith("FD")]
    steps, values = (np.array([score[key] for score in scores]) for key in ("step", "value"))
    ticks, times = (np.array(column) for column in zip(*trials.scalars(workdir, "time/step"), strict=True))
    times[0] = np.median(times[1:])  # the first tick compiles
    elapsed = np.cumsum(np.diff(ticks, prepend=0) * times)
    _, distances = zip(*trials.scalars(workdir, "consensus/distance"), strict=True)
    _, waiting = zip(*trials.scalars(workdir, "time/waiting_share"), strict=True)
    return {
        "name": scores[0]["name"],
        **{"steps": steps, "FD": values, "seconds": np.interp(steps, ticks, elapsed)},
        **{"ticks": ticks, "distance": np.array(distances)},
        **{"a step": float(np.median(times)), "waiting": float(np.median(waiting))},
    }


def table(results):
    """A markdown table, a row a strategy: means over seeds, and the range of the last FD."""
    name = next(iter(results.values()))[0]["name"]
    lines = [
        f"| strategy | {name}, last | best | at step | ms a step | waiting | consensus distance, last |",
        "|---" * 7 + "|",
    ]
    for strategy, runs in results.items():
        last, best = [run["FD"][-1] for run in runs], [run["FD"].min() for run in runs]
        spread = f" ({min(last):.3g} to {max(last):.3g})" if len(last) > 1 else ""
        at = ", ".join(str(run["steps"][run["FD"].argmin()]) for run in runs)
        times, waits, apart = (np.mean([pick(run) for run in runs]) for pick in _PICKS)
        lines.append(
            f"| {strategy} | {np.mean(last):.3g}{spread} | {np.mean(best):.3g} | {at} | {1e3 * times:.0f} | "
            f"{100 * waits:.0f}% | {apart:.2g} |"
        )
    return "\n".join(lines) + "\n"


_PICKS = (lambda run: run["a step"], lambda run: run["waiting"], lambda run: run["distance"][-1])


def plot(results, network, path):
    """FD by step and by time, and the distances. Time is that over the network, {strategy: as `over_network.measure`
    gives it}, where one is given; then only of strategies that have been measured there."""
    figure = Figure(figsize=(14, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    for number, (strategy, runs) in enumerate(results.items()):
        for index, curve in enumerate(runs):
            style = dict(color=f"C{number}", label=strategy if index == 0 else None)
            axes[0].plot(curve["steps"], curve["FD"], **style)
            if not network:
                axes[1].plot(curve["seconds"], curve["FD"], **style)
            elif strategy in network:
                axes[1].plot(curve["steps"] * network[strategy]["a step"], curve["FD"], **style)
            if curve["distance"].max() > 0:
                axes[2].plot(curve["ticks"], curve["distance"], **style)
    name = next(iter(results.values()))[0]["name"]
    time = "seconds over the network" if network else "seconds of training"
    for axis, x, y in zip(axes, ("step", time, "step"), (name, name, "consensus distance"), strict=True):
        axis.set(xlabel=x, ylabel=y, yscale="log")
        axis.grid(alpha=0.3, which="both")
    axes[0].legend()
    with files.replacing(path) as file:
        figure.savefig(file, dpi=100, format="png")


def _lab(flag_values):
    """(a `Lab`, its rate in bit/s, in words), or three times None; raises `UserError` before anything is trained."""
    rate, delay = flag_values.rate, flag_values.delay
    if not rate and delay is None:
        return None, None, None
    if not rate or delay is None:
        raise UserError(f"--rate={rate} --delay={delay or ''}: give both, as 100mbit and 20ms, or neither")
    bits = links.rate(rate)
    return Lab(flag_values.learners, bits, links.delay(delay)), bits, f"{rate}-{delay}"


def main(argv):
    flag_values = command.parse(argv, _define)
    output, inception = command.required(flag_values, "output", "inception")
    steps = max(1, round(_STEPS * flag_values.scale / _EVERY)) * _EVERY
    lab, rate, what = _lab(flag_values)
    jobs.end_by_signals()
    results, network = {name: [] for name in _STRATEGIES}, {}
    for seed in trials.seeds(flag_values.seeds):
        for name, chosen in _STRATEGIES.items():
            workdir = os.path.join(output, f"{name.replace(' ', '_')}-{seed}")
            line = [
                *_FLAGS,
                *chosen,
                f"--seed={seed}",
                f"--inception={inception}",
                f"--data_dir={flag_values.data_dir}",
            ]
            trials.train(workdir, flag_values.learners, steps, line)
            results[name].append(curves(workdir))
            if lab and name != "local" and name not in network:
                place = f"{workdir}-{flag_values.learners}-{what}"
                network[name] = over_network.measure(place, lab, rate, line)
            done = {name: runs for name, runs in results.items() if runs}
            files.write_text(os.path.join(output, "table.md"), table(done))
            plot(done, network, os.path.join(output, "plot.png"))
    print(table(results))
    if network:  # the time to what all that share anything have reached at equal rates
        target = max(run["FD"].min() for name in _EQUAL if name in network for run in results[name])
        rows = over_network.table({name: results[name] for name in network}, network, target, what)
        files.write_text(os.path.join(output, "network.md"), rows)
        print(rows)


if __name__ == "__main__":
    command.run(main, sys.argv)
