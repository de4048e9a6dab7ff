"""What the statistics of batch norm that are estimated anew bring: scores of a comparison's runs with and without.

    python tools/experiments/recalibration.py --results=runs/cifar_small/results.json --batches=16

The results are those of `tfdgan.compare`, whose first score counts, of unconditional images. Of each run the last
checkpoint is scored twice, as it is and with statistics from `batches` batches, on the same latents. Printed: a row an
arm, means over seeds with 95% intervals.
"""

import os
import sys

from absl import flags
from comparison_results import first_score

from tfdgan import distributed
from tfdgan.cli import command
from tfdgan.cli.comparison import statistics
from tfdgan.cli.workdir import Workdir
from tfdgan.errors import UserError
from tfdgan.training import recalibration, scoring
from tfdgan.training.consensus import generator_names
from tfdgan.training.noise import Noise


def _define(flag_values):
    flags.DEFINE_string("results", None, "results.json of a comparison, beside its runs.", flag_values=flag_values)
    flags.DEFINE_integer("batches", 16, "From which statistics are taken.", lower_bound=1, flag_values=flag_values)


def scores(path, name, batches):
    """(score, score with new statistics) of the last checkpoint of a workdir."""
    workdir = Workdir(path)
    _, stored, manifest = workdir.find()
    task, options = workdir.task, workdir.options
    if manifest.get("recalibrated") or options.conditional:
        raise UserError(f"{path}: is recalibrated already, or conditional; give other results")
    generator, _ = task.rebuild(manifest)
    feed, noise = task.feed(generator), Noise(options.seed, "recalibration")
    names = generator_names(generator, stored, bool(options.ema_decay))

    def inputs(batch):
        return feed.draw(noise, options.batch_size, "latents", batch)

    renewed = recalibration.recalibrated(generator, stored, names, inputs, batches)
    samplers = [workdir.sampler(weights, manifest) for weights in (stored, renewed)]
    found = [scoring.score(task, sampler, seed=options.seed) for sampler in samplers]
    return [next(score.value for score in group if score.name == name) for group in found]


def table(found, name):
    """A markdown table of {arm: {seed: (score, score with new statistics)}}."""
    lines = [f"| arm | {name} | with new statistics | difference | seeds |", "|---" * 5 + "|"]
    for arm, by_seed in found.items():
        before, after = ({seed: pair[place] for seed, pair in by_seed.items()} for place in (0, 1))
        cells = [statistics.interval(list(values.values())) for values in (before, after)]
        cells += [statistics.paired(after, before), ", ".join(map(str, by_seed))]
        lines.append(f"| {arm} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main(argv):
    flag_values = command.parse(argv, _define)
    (path,) = command.required(flag_values, "results")
    score = first_score(path)
    name, runs = score["score"], score["runs"]
    distributed.start()
    found = {}
    for run in runs:
        workdir = os.path.join(os.path.dirname(path), run["workdir"])
        pair = scores(workdir, name, flag_values.batches)
        found.setdefault(run["arm"], {})[run["seed"]] = pair
        print(f"{run['arm']}, seed {run['seed']}: {pair[0]:.4g}, with new statistics {pair[1]:.4g}", flush=True)
    print(table(found, name))


if __name__ == "__main__":
    command.run(main, sys.argv)
