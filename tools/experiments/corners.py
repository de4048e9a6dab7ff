"""Ratio clipping (PRC) and sample reweighting (SR) apart and together on CIFAR-10, and both under three strategies.

    python tools/experiments/corners.py --data_dir=YOUR_TFDS_FOLDER --inception=SAVED_MODEL --output=runs/corners
    python tools/experiments/corners.py --part=strategies --data_dir=... --inception=... --output=runs/corners

A small DCGAN, five critic and five generator updates a step (so "neither" is no usual WGAN-GP, which makes one of the
generator). corners: neither, PRC, SR, both, each by one learner; FD along training, and the variance of the critic's
gradient between batches of generated samples. strategies: both under CP-OAdam, DP-OAdam and Rand-DP-OAdam with 4
learners. In the tables FD stands at the last score; the figures after it are means over the second half of training.
Runs already finished are kept and interrupted ones resumed, so the command can be repeated until all is there;
--scale=10 trains ten times as long.
"""

import concurrent.futures
import os
import sys

import numpy as np
import trials
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.storage import files
from tfdgan.training import score_log

_STEPS, _EVERY = 400, 100
_FLAGS = [
    *("--dataset=cifar10", "--model=dcgan", "--width_g=16", "--width_d=16", "--latent_size=64", "--batch_size=16"),
    *("--trainer=clipped_ratio", "--update=alternating", "--critic_steps=5", "--generator_steps=5"),
    *("--learning_rate_g=2e-4", "--learning_rate_d=4e-4", "--learning_rate_c=2e-5", "--clip_norm_c=0.5"),
    "--ema_decay=0.99",
    *("--eval_samples=2000", "--log_every=20", f"--eval_every={_EVERY}", f"--checkpoint_every={_EVERY}"),
]
_CORNERS = {
    "neither": ["--noratio_clipping", "--nosample_reweighting"],
    "PRC": ["--ratio_clipping", "--nosample_reweighting"],
    "SR": ["--noratio_clipping", "--sample_reweighting"],
    "both": ["--ratio_clipping", "--sample_reweighting"],
}


_STRATEGIES = {
    "CP-OAdam": ["--strategy=centralized"],
    "DP-OAdam": ["--strategy=decentralized", "--topology=ring", "--norandom_mixing"],
    "Rand-DP-OAdam": ["--strategy=decentralized", "--topology=ring", "--random_mixing"],
}


def _define(flag_values):
    flags.DEFINE_enum("part", "corners", ["corners", "strategies"], "What is compared.", flag_values=flag_values)
    flags.DEFINE_string("data_dir", "", "Folder of the prepared TFDS set cifar10.", flag_values=flag_values)
    flags.DEFINE_string("inception", None, "SavedModel of the features.", flag_values=flag_values)
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.", flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the number of steps.", lower_bound=0.05, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, tables and plots.", flag_values=flag_values)


def distances(workdir):
    """(name, steps, values) of the FD along a run."""
    scores = [score for score in score_log.read(workdir) if score["name"].startswith("FD")]
    return scores[0]["name"], [score["step"] for score in scores], [score["value"] for score in scores]


def mean_scalar(workdir, name):
    """The mean of a TensorBoard scalar over a run's second half; NaN where there is none."""
    try:
        points = trials.scalars(workdir, name)
    except KeyError:
        return np.nan
    return float(np.mean([value for _, value in points[len(points) // 2 :]]))


def table(found):
    """A markdown table, a row a choice: `found` is {choice: [workdir]}."""
    name = distances(next(iter(found.values()))[0])[0]
    lines = [
        f"| | {name}, last | best | effective sample size | mean ratio | clipped | gradient variance, plain | "
        "reweighted |",
        "|---" * 8 + "|",
    ]
    for choice, workdirs in found.items():
        last = [distances(workdir)[2][-1] for workdir in workdirs]
        best = np.mean([min(distances(workdir)[2]) for workdir in workdirs])
        spread = f" ({min(last):.3g} to {max(last):.3g})" if len(last) > 1 else ""
        figures = []
        for scalar in (
            *("reweighting/effective_sample_size", "ratio/mean", "ratio/clip_fraction"),
            *("gradient_variance/plain", "gradient_variance/reweighted"),
        ):
            value = np.mean([mean_scalar(workdir, scalar) for workdir in workdirs])
            figures.append("" if np.isnan(value) else f"{value:.3g}")
        lines.append(f"| {choice} | {np.mean(last):.3g}{spread} | {best:.3g} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def plot(found, path):
    """FD, and the variance of the gradient that the critic was trained by, against steps."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    fd, variance = figure.subplots(1, 2)
    for number, (choice, workdirs) in enumerate(found.items()):
        for index, workdir in enumerate(workdirs):
            style = dict(color=f"C{number}", label=choice if index == 0 else None)
            name, steps, values = distances(workdir)
            fd.plot(steps, values, **style)
            kind = "plain" if choice in ("neither", "PRC") else "reweighted"
            variance.plot(*zip(*trials.scalars(workdir, f"gradient_variance/{kind}"), strict=True), **style)
    fd.set(xlabel="step", ylabel=name, yscale="log")
    variance.set(xlabel="step", ylabel="variance of the critic's gradient, generated samples", yscale="log")
    for axis in (fd, variance):
        axis.grid(alpha=0.3, which="both")
    fd.legend()
    figure.savefig(path, dpi=100)


def main(argv):
    flag_values = command.parse(argv, _define)
    output, inception = command.required(flag_values, "output", "inception")
    corners = flag_values.part == "corners"
    choices = {name: [*line, "--strategy=local"] for name, line in _CORNERS.items()}
    if not corners:
        choices = _STRATEGIES
    steps = max(1, round(_STEPS * flag_values.scale / _EVERY)) * _EVERY
    flags_of_all = [*_FLAGS, f"--inception={inception}", f"--data_dir={flag_values.data_dir}"]

    def trained(job):
        choice, seed = job
        workdir = os.path.join(output, f"{steps}_steps", f"{choice}-{seed}")
        trials.train(workdir, 1 if corners else 4, steps, [*flags_of_all, *choices[choice], f"--seed={seed}"])
        return choice, workdir

    jobs = [(choice, seed) for seed in trials.seeds(flag_values.seeds) for choice in choices]
    found = {choice: [] for choice in choices}
    with concurrent.futures.ThreadPoolExecutor(2 if corners else 1) as pool:
        for choice, workdir in pool.map(trained, jobs):
            found[choice].append(workdir)
    files.write_text(os.path.join(output, f"{flag_values.part}.md"), table(found))
    plot(found, os.path.join(output, f"{flag_values.part}.png"))
    print(table(found))


if __name__ == "__main__":
    command.run(main, sys.argv)
