"""How often training gets nowhere: WGAN-GP against ratio clipping and reweighting, on nets drawn at random.

    python tools/experiments/collapse.py --output=runs/collapse

Table 5 of Wu et al., "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting" (NeurIPS 2020),
scaled down: small DCGANs for scikit-learn's digits, of random learning rate, penalty, batch size, activation and width,
each trained by every method from the same seed for as many steps of five critic updates. As in the paper's code the
generator and the classifier have a fifth of the critic's rate, which is drawn up to --most_rate, betas are (0, .9) and
the classifier's gradient is cut at .5. The ratio is paired. All but "WGAN-GP" make five generator updates a step.
A run has collapsed if in the end one of the ten digits is practically missing, below 1% of the samples by the
classifier, or if it met NaN or Inf. "Fell back" are those that end above twice their own best FD.

--workers runs are trained at a time, a core each. What is finished is kept, so the command can be repeated until all is
there; --scale=10 trains ten times as long.
"""

import json
import multiprocessing
import os
import re
import sys

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.cli.comparison import statistics
from tfdgan.errors import TrainingFault, UserError
from tfdgan.storage import files
from tfdgan.training import score_log

_STEPS, _SCORES = 400, 4  # of a run; scores along it
_FD, _SHARE = "FD (digits_classifier)", "smallest class share (digits_classifier)"
_LEAST, _EDGE = 0.01, 1e3  # the smallest share of a digit in the last score; FD where the plot ends
_FIVE = dict(trainer="clipped_ratio", critic_steps=5, generator_steps=5)
_METHODS = {
    "WGAN-GP": dict(trainer="adversarial", critic_steps=5),
    "WGAN-GP, 5 to 5": dict(_FIVE, ratio_clipping=False, sample_reweighting=False),
    "SR": dict(_FIVE, ratio_clipping=False, reweighting_spread=0.5),
    "PRC": dict(_FIVE, ratio="paired", sample_reweighting=False),
    "PRC + SR": dict(_FIVE, ratio="paired", reweighting_spread=0.5),
}
_PAIRS = [
    *((method, "WGAN-GP, 5 to 5") for method in ("PRC + SR", "SR", "PRC")),
    *((method, "WGAN-GP") for method in ("PRC + SR", "WGAN-GP, 5 to 5")),
]
_LEAST_RATE, _SLOWER = 1e-3, 5  # of the critic; the critic's rate over the others'


def _define(flag_values):
    flags.DEFINE_integer("nets", 40, "How many are drawn.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("workers", 2, "Runs at a time.", lower_bound=1, flag_values=flag_values)
    text = "Of the critic, the largest that is drawn."
    flags.DEFINE_float("most_rate", 1.0, text, lower_bound=2e-3, flag_values=flag_values)
    flags.DEFINE_list("methods", [], "Those to run; empty: all.", flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the number of steps.", lower_bound=0.05, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, table.md and plot.png.", flag_values=flag_values)


def drawn(number, most_rate):
    """The `number`-th random net, as `ImageOptions` take it; the critic's rate is log-uniform, 1e-3 to `most_rate`."""
    random = np.random.default_rng(number)
    width = int(random.choice([8, 16]))
    rate = float(f"{10 ** random.uniform(np.log10(_LEAST_RATE), np.log10(most_rate)):.3g}")
    return dict(
        model=f"small_dcgan:{random.choice(['relu', 'leaky_relu'])}",
        width_g=width,
        width_d=width,
        learning_rate_g=rate / _SLOWER,
        learning_rate_d=rate,
        learning_rate_c=rate / _SLOWER,
        gradient_penalty=float(random.choice([1, 5])),
        batch_size=int(random.choice([16, 32, 64])),
        seed=number,
    )


def train(number, method, workdir, steps, most_rate):
    """One run, kept in workdir/result.json: {"FD", "share": those along it, or [] after a fault}."""
    path = os.path.join(workdir, "result.json")
    if os.path.isfile(path):
        with open(path) as file:
            return json.load(file)
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="2")
    import keras

    import tfdgan
    from tfdgan.tasks import ImageOptions

    keras.backend.clear_session()
    every = steps // _SCORES
    settings = dict(
        dataset="digits", latent_size=32, strategy="local", update="alternating", optimizer="adam", workdir=workdir
    )
    settings |= dict(log_every=every, checkpoint_every=0, eval_samples=1000, ema_decay=0.0)
    settings |= dict(beta_1=0.0, beta_2=0.9, clip_norm_c=0.5)
    os.makedirs(workdir, exist_ok=True)
    result = {"FD": [], "share": []}
    try:
        how = {**settings, **drawn(number, most_rate), **_METHODS[method]}
        tfdgan.fit(ImageOptions(**how, steps=steps, eval_every=every))
        for name, kind in (("FD", _FD), ("share", _SHARE)):
            result[name] = [score["value"] for score in score_log.read(workdir) if score["name"] == kind]
    except TrainingFault as error:
        result["fault"] = str(error)
    files.write_text(path, json.dumps(result))
    return result


def has_collapsed(result):
    """Whether a digit is missing in the last score, or there is none."""
    return not (result["share"] and result["share"][-1] >= _LEAST)


def fell_back(result):
    return bool(result["FD"]) and not last(result) <= 2 * np.nanmin(result["FD"])


def last(result):
    """The last FD; infinite where there is none, or no number."""
    return result["FD"][-1] if result["FD"] and np.isfinite(result["FD"][-1]) else np.inf


def table(results):
    """A markdown table, a row a method."""
    lines = [
        f"| method | runs | collapsed | fell back | {_FD}, mean of the not collapsed | median of all | best |",
        "|---" * 7 + "|",
    ]
    for method, runs in results.items():
        fallen, values = [has_collapsed(run) for run in runs], [last(run) for run in runs]
        alive = [value for value, gone in zip(values, fallen, strict=True) if not gone]
        lines.append(
            f"| {method} | {len(runs)} | {sum(fallen)} ({100 * np.mean(fallen):.0f}%) | {sum(map(fell_back, runs))} | "
            f"{np.mean(alive) if alive else np.nan:.3g} | {np.median(values):.3g} | {min(values):.3g} |"
        )
    return "\n".join(lines) + "\n"


def comparisons(results):
    """A markdown table, a row a pair of methods: ratios of FD net by net, and how many collapsed by one alone."""
    lines = [
        "| net by net | FD, geometric mean of the ratios (95%) | better in | collapsed alone |",
        "|---" * 4 + "|",
    ]
    for method, other in _PAIRS:
        if method not in results or other not in results:
            continue
        pairs = list(zip(results[method], results[other], strict=True))
        ratios = [last(a) / last(b) for a, b in pairs if np.isfinite([last(a), last(b)]).all()]
        found = statistics.interval(np.log(ratios))
        ends = np.exp([found.mean - found.half_width, found.mean, found.mean + found.half_width])
        gone = [(has_collapsed(a), has_collapsed(b)) for a, b in pairs]
        better = sum(last(a) < last(b) for a, b in pairs)
        lines.append(
            f"| {method} to {other} | {ends[1]:.2f} ({ends[0]:.2f} to {ends[2]:.2f}) | {better} of {len(pairs)} | "
            f"{gone.count((True, False))} to {gone.count((False, True))} |"
        )
    return "\n".join(lines) + "\n"


def plot(results, most_rate, path):
    """Each net a point: the last FD by the first method against the last one's; and against the critic's rate."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    pairs, rates = figure.subplots(1, 2)
    # Faults lie at the edge.
    values = {method: np.minimum([last(run) for run in runs], _EDGE) for method, runs in results.items()}
    names = list(values)
    plain, ours = values[names[0]], values[names[-1]]
    pairs.plot(plain, ours, "o", alpha=0.7)
    ends = [min(map(min, values.values())), max(map(max, values.values()))]
    pairs.plot(ends, ends, "k:", linewidth=1)
    pairs.set(xscale="log", yscale="log", xlabel=f"{_FD}, {names[0]}", ylabel=f"{_FD}, {names[-1]}")
    for method, distances in values.items():
        chosen = [drawn(number, most_rate)["learning_rate_d"] for number in range(len(distances))]
        rates.plot(chosen, distances, "o", label=method, alpha=0.7)
    rates.set(xscale="log", yscale="log", xlabel="the critic's learning rate", ylabel=_FD)
    rates.legend()
    figure.savefig(path, dpi=100)


def _trained(job):
    return job, train(*job)


def main(argv):
    flag_values = command.parse(argv, _define)
    (output,) = command.required(flag_values, "output")
    steps = max(_SCORES, round(_STEPS * flag_values.scale))
    rate, methods = flag_values.most_rate, flag_values.methods or list(_METHODS)
    if unknown := [method for method in methods if method not in _METHODS]:
        raise UserError(f"--methods={unknown[0]}: choose some of {', '.join(_METHODS)}")
    folder = os.path.join(output, f"{steps}_steps_{_LEAST_RATE:g}_to_{rate:g}")
    jobs = [
        (number, method, os.path.join(folder, f"{number:03d}_{re.sub('[^a-z0-9]+', '_', method.lower())}"), steps, rate)
        for number in range(flag_values.nets)
        for method in methods
    ]
    found = {}
    with multiprocessing.get_context("spawn").Pool(flag_values.workers, maxtasksperchild=20) as pool:
        for job, result in pool.imap_unordered(_trained, jobs):
            found[job[:2]] = result
            print(f"{len(found)}/{len(jobs)}: net {job[0]}, {job[1]}: {_FD} {last(result):.3g}", flush=True)
    results = {method: [found[number, method] for number in range(flag_values.nets)] for method in methods}
    tables = f"{table(results)}\n{comparisons(results)}"
    files.write_text(os.path.join(output, "table.md"), tables)
    plot(results, rate, os.path.join(output, "plot.png"))
    print(tables)


if __name__ == "__main__":
    command.run(main, sys.argv)
