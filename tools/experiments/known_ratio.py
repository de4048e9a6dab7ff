"""The estimated probability ratio against the true one, where densities are known.

    python tools/experiments/known_ratio.py --output=runs/known_ratio --seeds=0,1,2

Real numbers are a mixture of two Gaussians; the generator's are one Gaussian. A classifier learns real against the
generator at N(0, 1.5) for 0, 30, 300 and 3,000 steps. The generator moves to N(.1, 1.5), and the classifier takes 5
updates against the new one, as in a step of a trainer, batch 64. Then log r stands beside log p_new / p_old: single, by
the classifier before and after these updates; and paired, by a twin that took the same updates against the old
generator. The second table and the picture are of a move to N(.8, 1), batch 1,024, and of a classifier that goes on for
much longer.
"""

import os
import sys

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.storage import files

_OLD, _STEP, _NEW = (0.0, 1.5), (0.1, 1.5), (0.8, 1.0)  # mean and standard deviation of the generator
_BEFORE = (0, 30, 300, 3000)  # steps of the classifier on the old generator
_UPDATES = 5  # on the new one
_AFTER = (1, 5, 100, 2000)  # and for the second table
_SMALL_BATCH, _BATCH, _RATE = 64, 1024, 1e-3


def _define(flag_values):
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for table.md and plot.png.", flag_values=flag_values)


def real(random, number):
    """The mixture .5 N(-1.5, .8) + .5 N(1.5, .8)."""
    return random.normal(random.choice([-1.5, 1.5], number), 0.8)


def true_ratio(x, new=_NEW):
    """p_new(x) / p_old(x)."""

    def log_density(mean, deviation):
        return -0.5 * np.square((x - mean) / deviation) - np.log(deviation)

    return np.exp(log_density(*new) - log_density(*_OLD))


class Classifier:
    """The classifier, its twin, and their samples."""

    def __init__(self, seed, batch):
        import keras
        import tensorflow as tf

        from tfdgan.strategies import Player
        from tfdgan.strategies.local import Local
        from tfdgan.training.batch_loss import GradientsFunction
        from tfdgan.training.feed import LatentFeed
        from tfdgan.training.ratio_classifier import RatioClassifier, RatioClipping
        from tfdgan.training.twin import Twin

        keras.utils.set_random_seed(seed)
        net = keras.Sequential([keras.Input((1,)), *(keras.layers.Dense(64, "tanh") for _ in range(2))])
        net.add(keras.layers.Dense(1))
        self._tf, self._net, self._random, self._batch = tf, net, np.random.default_rng(seed), batch
        self._player = Player("classifier", net, keras.optimizers.Adam(_RATE))
        ratio = RatioClassifier(self._player, LatentFeed(1), RatioClipping(paired=True))
        alone = Local([self._player])
        self.twin = Twin(self._player, ratio, alone)
        self.twin.compile(0, False)
        weights = [v.value for v in self._player.variables]
        gradients = GradientsFunction(ratio.batch_loss, weights, [net], 0, False)
        self._update = tf.constant(0, tf.int64)

        def learn(samples, generated):
            found = gradients(self._update, (generated, samples, ()))
            alone.apply(self._player, found.gradients, tf.constant(True), None)

        self._learn = tf.function(learn, autograph=False)

    def _drawn(self, *generators):
        """Real samples, and a generator's after another, of one draw of latents."""
        samples, latents = real(self._random, self._batch), self._random.standard_normal(self._batch)
        both = [samples, *(mean + deviation * latents for mean, deviation in generators)]
        return [self._tf.constant(x[:, None], self._tf.float32) for x in both]

    def learn(self, steps, generator):
        for _ in range(steps):
            self._learn(*self._drawn(generator))

    def learn_in_pairs(self, updates):
        """The classifier on the generator after its step, the twin on the old one."""
        self.twin.begin()
        for _ in range(updates):
            samples, old, new = self._drawn(_OLD, _STEP)
            beside = self.twin.gradients(self._update, (old, samples, ()))
            self._learn(samples, new)
            self.twin.apply(beside)

    def logits(self, points):
        return self._net(np.float32(points)[:, None]).numpy()[:, 0]

    def logits_of_twin(self, points):
        from tfdgan.models.stateless import applied

        return applied(self._net, self.twin.values(), [], np.float32(points)[:, None]).numpy()[:, 0]


def both_estimates(points, seed, before, updates=_UPDATES):
    """{"single", "paired": log r at `points` [n]}: of a classifier that has learned for so many steps before."""
    classifier = Classifier(seed, _SMALL_BATCH)
    classifier.learn(before, _OLD)
    old = classifier.logits(points)
    classifier.learn_in_pairs(updates)
    new = classifier.logits(points)
    return {"single": old - new, "paired": classifier.logits_of_twin(points) - new}


def estimates(points, seed, after=_AFTER):
    """{steps: log r at `points` [n]}, single, after so many steps of the classifier on the new generator."""
    classifier = Classifier(seed, _BATCH)
    classifier.learn(max(after), _OLD)
    old, found, done = classifier.logits(points), {}, 0
    for steps in sorted(after):
        classifier.learn(steps - done, _NEW)
        done = steps
        found[steps] = old - classifier.logits(points)
    return found


def likeness(found, true):
    """(correlation, mean error) of an estimated log r with the true one."""
    return np.corrcoef(found, true)[0, 1], np.abs(found - true).mean()


def _cells(pairs):
    """Means and ranges over the seeds, of correlation and of error."""
    return " | ".join(f"{np.mean(x):.2f} ({min(x):.2f} to {max(x):.2f})" for x in zip(*pairs, strict=True))


def table_of_pairs(points, seeds, true):
    """A markdown table, a row a number of steps before: mean (range) over the seeds."""
    lines = [
        "| steps before | correlation of log r, single | mean error | paired | mean error |",
        "|---|---|---|---|---|",
    ]
    for before in _BEFORE:
        runs = [both_estimates(points, seed, before) for seed in seeds]
        cells = [_cells([likeness(run[kind], true) for run in runs]) for kind in ("single", "paired")]
        lines.append(f"| {before} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def table(found, true):
    """A markdown table, a row a number of steps: how log r relates to its true value."""
    lines = ["| steps of the classifier | correlation of log r | mean error of log r |", "|---|---|---|"]
    for steps, log_ratio in found.items():
        correlation, error = likeness(log_ratio, true)
        lines.append(f"| {steps} | {correlation:.3f} | {error:.3f} |")
    return "\n".join(lines) + "\n"


def plot(x, found, true, path):
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    along, against = figure.subplots(1, 2)
    order = np.argsort(x)
    along.plot(x[order], true[order], "k", label="true")
    for steps, ratio in found.items():
        along.plot(x[order], ratio[order], label=f"{steps} steps")
        against.plot(true, ratio, ".", markersize=3)
    against.plot([true.min(), true.max()], [true.min(), true.max()], "k", linewidth=0.5)
    along.set(xlabel="x", ylabel="r", yscale="log")
    against.set(xlabel="true ratio", ylabel="estimated", xscale="log", yscale="log")
    along.legend()
    figure.savefig(path, dpi=100)


def main(argv):
    flag_values = command.parse(argv, _define)
    (output,) = command.required(flag_values, "output")
    os.makedirs(output, exist_ok=True)
    seeds = [int(seed) for seed in flag_values.seeds]
    x = np.random.default_rng(seeds[0] + 1).normal(*_NEW, 1000)
    true = np.log(true_ratio(x))
    found = estimates(x, seeds[0])
    moved = np.random.default_rng(seeds[0] + 1).normal(*_STEP, 1000)
    text = f"{table_of_pairs(moved, seeds, np.log(true_ratio(moved, _STEP)))}\n{table(found, true)}"
    files.write_text(os.path.join(output, "table.md"), text)
    plot(x, {steps: np.exp(one) for steps, one in found.items()}, np.exp(true), os.path.join(output, "plot.png"))
    print(text)


if __name__ == "__main__":
    command.run(main, sys.argv)
