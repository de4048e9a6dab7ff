"""Style transfer with and without sample reweighting, by one learner and by four: accuracy against self-BLEU.

    python tools/experiments/style_transfer.py --prefix=yelp/sentiment --references=yelp/human_references.tsv \
        --output=runs/style

The flags are those of configs/style_yelp_small.flags; the four learners train under Rand-DP-OAdam at an equal total
batch. Runs already finished are kept and interrupted ones resumed, so the command can be repeated until all is there;
--scale=4 trains four times as long. Written: a table of the last and of the best step, examples, and a plot.
"""

import os
import sys

import trials
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.storage import files
from tfdgan.training import score_log

_EVERY = 200
_PRETRAINING, _GAME = 1400, 600
_FOUR = ["--strategy=decentralized", "--topology=ring", "--random_mixing", "--batch_size=16"]
_ARMS = {  # name: (learners, flags)
    "without reweighting": (1, ["--strategy=local", "--nosample_reweighting"]),
    "with": (1, ["--strategy=local", "--sample_reweighting"]),
    "with, 4 learners": (4, [*_FOUR, "--sample_reweighting"]),
}
_SCORES = ("style accuracy", "self-BLEU", "BLEU (references)", "perplexity")
_CHOOSES = "accuracy and self-BLEU"


def _define(flag_values):
    flags.DEFINE_string("prefix", None, "PREFIX.train.0, ..., of the sentences.", flag_values=flag_values)
    flags.DEFINE_string("references", None, "Rewritings by people, as --references of train.", flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the number of steps.", lower_bound=0.1, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, table, examples and plot.", flag_values=flag_values)


def by_step(workdir):
    """{step: {score: value}} along a run, as training scored it."""
    found = {}
    for score in (record for record in score_log.read(workdir) if "seconds" in record):
        found.setdefault(score["step"], {})[score["name"]] = score["value"]
    return found


def table(runs, pretraining):
    """A markdown table of each run's last step, and of its best in the game by accuracy and self-BLEU together."""
    lines = ["| | step | " + " | ".join(_SCORES) + " |", "|---" * (2 + len(_SCORES)) + "|"]
    for arm, workdir in runs.items():
        game = {step: scores for step, scores in by_step(workdir).items() if step > pretraining}
        best = max(game, key=lambda step: game[step][_CHOOSES])
        for name, step in (("last", max(game)), ("best", best)):
            values = " | ".join(f"{game[step][score]:.1f}" for score in _SCORES)
            lines.append(f"| {arm}, {name} | {step} | {values} |")
    return "\n".join(lines) + "\n"


def plot(runs, pretraining, path):
    """Accuracy against self-BLEU over the steps of the game."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for arm, workdir in runs.items():
        game = [scores for step, scores in sorted(by_step(workdir).items()) if step > pretraining]
        points = [[scores[name] for scores in game] for name in _SCORES[:2]]
        axes.plot(*points, "o-", label=arm)
        axes.annotate("last", (points[0][-1], points[1][-1]), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="style accuracy, %", ylabel="self-BLEU, points")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main(argv):
    flag_values = command.parse(argv, _define)
    prefix, references, output = command.required(flag_values, "prefix", "references", "output")
    pretraining, game = (round(flag_values.scale * n / _EVERY) * _EVERY or _EVERY for n in (_PRETRAINING, _GAME))
    steps, runs, examples = pretraining + game, {}, []
    for arm, (learners, own) in _ARMS.items():
        workdir = os.path.join(output, f"{steps}_steps", arm.replace(" ", "_").replace(",", ""))
        settings = [f"--pretraining_steps={pretraining}", f"--eval_every={_EVERY}", f"--checkpoint_every={_EVERY}"]
        data = [f"--dataset=file:{prefix}", f"--references={references}"]
        trials.train(workdir, learners, steps, ["--flagfile=configs/style_yelp_small.flags", *data, *settings, *own])
        runs[arm] = workdir
        with open(os.path.join(workdir, "samples", f"{steps:08d}.txt")) as file:
            examples.append(f"{arm}\n\n{file.read()}")
    for name, text in (("style.md", table(runs, pretraining)), ("examples.txt", "\n".join(examples))):
        files.write_text(os.path.join(output, name), text)
    plot(runs, pretraining, os.path.join(output, "style.png"))
    print(table(runs, pretraining))


if __name__ == "__main__":
    command.run(main, sys.argv)
