"""Games of sentences beside maximum likelihood: an LSTM oracle's sentences, and image captions.

    python tools/experiments/sentences.py --part=oracle --output=runs/sentences
    python tools/experiments/sentences.py --part=captions --data_dir=FOLDER --output=runs/sentences

oracle: sentences of 20 words; maximum likelihood all the way, and after equal pretraining the relativistic objective
(RelGAN), WGAN-GP, with sample reweighting (SR), with ratio clipping too (PRC + SR), and that by 4 learners under
Rand-DP-OAdam at an equal total batch. All but RelGAN make five critic and five generator updates a step of the game.
captions: FOLDER/coco_captions/{train,test}.txt; maximum likelihood and PRC + SR; BLEU against the whole test file.
Runs already finished are kept and interrupted ones resumed, so the command can be repeated until all is there;
--scale=10 trains ten times as long.
"""

import os
import sys

import trials
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.storage import files
from tfdgan.training import score_log

_PRETRAINING, _GAME, _EVERY = 200, 100, 25
_CLIPPED = ["--trainer=clipped_ratio", "--critic_steps=5", "--generator_steps=5", "--clip_epsilon=0.2"]
_FLAGS = [
    *("--task=text", "--sentence_length=20", "--embedding_size=32", "--clip_norm=5", "--ema_decay=0"),
    *("--update=alternating", "--critic_steps=5", "--optimizer=oadam", "--beta_1=0.5", "--beta_2=0.999"),
    *("--learning_rate_p=5e-3", "--learning_rate_g=1e-4", "--learning_rate_d=3e-4", "--learning_rate_c=1e-4"),
    *("--log_every=5", f"--eval_every={_EVERY}", f"--checkpoint_every={_EVERY}"),
]
_ORACLE = [
    *("--dataset=oracle", "--vocabulary_size=500", "--corpus_size=10000", "--model=relational_memory"),
    *("--width_g=32", "--representations=4", "--width_d=32", "--inverse_temperature=2"),
]
_CAPTIONS = [
    *("--dataset=coco_captions", "--vocabulary_size=5000", "--model=lstm", "--width_g=128"),
    *("--representations=4", "--width_d=32", "--inverse_temperature=100"),
]
_BOTH = [*_CLIPPED, "--sample_reweighting", "--ratio_clipping"]
_ML = "maximum likelihood"
_ALONE, _FOUR = ["--strategy=local", "--batch_size=64"], ["--topology=ring", "--random_mixing", "--batch_size=16"]
_ALWAYS = [*_ALONE, "--learning_rate_g=1e-30"]  # a run ends with a step of the game, which is to change nothing
_ARMS = {  # name: (learners, flags)
    "oracle": {
        _ML: (1, _ALWAYS),
        "RelGAN": (1, [*_ALONE, "--objective=relativistic", "--gradient_penalty=0"]),
        "WGAN-GP": (1, [*_ALONE, *_CLIPPED, "--nosample_reweighting", "--noratio_clipping"]),
        "SR": (1, [*_ALONE, *_CLIPPED, "--sample_reweighting", "--noratio_clipping"]),
        "PRC + SR": (1, [*_ALONE, *_BOTH]),
        "PRC + SR, 4 learners": (4, [*_FOUR, *_BOTH]),
    },
    "captions": {_ML: (1, _ALWAYS), "PRC + SR": (1, [*_ALONE, *_BOTH])},
}


def _define(flag_values):
    flags.DEFINE_enum("part", "oracle", list(_ARMS), "Which sentences.", flag_values=flag_values)
    flags.DEFINE_string("data_dir", "", "Folder of coco_captions.", flag_values=flag_values)
    flags.DEFINE_list("seeds", ["0"], "Seeds.", flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the number of steps.", lower_bound=0.25, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, tables and plots.", flag_values=flag_values)


def course(workdir, name):
    """(steps, values) of a score along a run."""
    found = [(score["step"], score["value"]) for score in score_log.read(workdir) if score["name"] == name]
    return tuple(zip(*found, strict=True))


def table(runs, names, pretraining):
    """A markdown table: of each score where the game begins, at the end, and its best; means over seeds."""
    lines = ["| |" + "".join(f" {name}: before the game | last | best |" for name in names)]
    lines.append("|---" * (1 + 3 * len(names)) + "|")
    for arm, workdirs in runs.items():
        cells = []
        for name in names:
            courses = [dict(zip(*course(workdir, name), strict=True)) for workdir in workdirs]
            best = max if name.startswith("BLEU") else min
            ends = (
                [c[pretraining] for c in courses],
                [c[max(c)] for c in courses],
                [best(c.values()) for c in courses],
            )
            cells += [f"{sum(values) / len(values):.3f}" for values in ends]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def plot(runs, names, pretraining, path):
    """Scores against steps."""
    figure = Figure(figsize=(5.5 * len(names), 4), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names)), names, strict=True):
        for number, (arm, workdirs) in enumerate(runs.items()):
            for index, workdir in enumerate(workdirs):
                axis.plot(*course(workdir, name), color=f"C{number}", label=arm if index == 0 else None)
        axis.axvline(pretraining, color="grey", linewidth=0.8)
        axis.set(xlabel="step; the game begins at the line", ylabel=name)
        axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=100)


def main(argv):
    flag_values = command.parse(argv, _define)
    (output,) = command.required(flag_values, "output")
    part = flag_values.part
    pretraining, game = (round(flag_values.scale * n / _EVERY) * _EVERY for n in (_PRETRAINING, _GAME))
    steps, runs = pretraining + game, {}
    of_part = _ORACLE if part == "oracle" else [*_CAPTIONS, f"--data_dir={flag_values.data_dir}"]
    for arm, (learners, own) in _ARMS[part].items():
        phases = [f"--pretraining_steps={steps - 1 if arm == _ML else pretraining}"]
        for seed in trials.seeds(flag_values.seeds):
            workdir = os.path.join(output, f"{part}_{steps}_steps", f"{arm.replace(' ', '_')}-{seed}")
            trials.train(workdir, learners, steps, [*_FLAGS, *of_part, *own, *phases, f"--seed={seed}"])
            runs.setdefault(arm, []).append(workdir)
    names = ["NLL_oracle"] if part == "oracle" else [f"BLEU-{n}" for n in (2, 3, 4, 5)]
    names.append("NLL_gen (test)")
    files.write_text(os.path.join(output, f"{part}.md"), table(runs, names, pretraining))
    plot(runs, names, pretraining, os.path.join(output, f"{part}.png"))
    print(table(runs, names, pretraining))


if __name__ == "__main__":
    command.run(main, sys.argv)
