"""The estimated probability ratio against the true one, where densities are known.

    python tools/experiments/known_ratio.py --output=runs/known_ratio

Real numbers are a mixture of two Gaussians; the generator's are one Gaussian, which moves from N(0, 1.5) to N(.8, 1).
A classifier learns real against the old generator to the end, then goes on against the new one; after 1, 5, 100 and all
of its steps r = exp(l_old - l_new) stands beside p_new / p_old. A trainer takes one such step for each of the
generator's, so how far the first steps get is what clipping sees. The classifier and its updates are this script's
own; of the trainer it has the objectives.
"""

import os
import sys

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.storage import files

_OLD, _NEW = (0.0, 1.5), (0.8, 1.0)  # mean and standard deviation of the generator
_AFTER = (1, 5, 100, 2000)  # steps of the classifier on the new generator
_BATCH, _RATE = 1024, 1e-3


def _define(flag_values):
    flags.DEFINE_integer("seed", 0, "Seed.", lower_bound=0, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for table.md and plot.png.", flag_values=flag_values)


def real(random, number):
    """The mixture .5 N(-1.5, .8) + .5 N(1.5, .8)."""
    return random.normal(random.choice([-1.5, 1.5], number), 0.8)


def true_ratio(x):
    """p_new(x) / p_old(x)."""

    def log_density(mean, deviation):
        return -0.5 * np.square((x - mean) / deviation) - np.log(deviation)

    return np.exp(log_density(*_NEW) - log_density(*_OLD))


def estimates(points, seed, after=_AFTER):
    """{steps: r at `points` [n]} after so many steps of the classifier on the new generator."""
    import keras
    import tensorflow as tf

    from tfdgan import objectives

    keras.utils.set_random_seed(seed)
    classifier = keras.Sequential([keras.Input((1,))])
    for units in (64, 64):
        classifier.add(keras.layers.Dense(units, "tanh"))
    classifier.add(keras.layers.Dense(1))
    optimizer = keras.optimizers.Adam(_RATE)
    optimizer.build(classifier.trainable_variables)

    objective = objectives.NonSaturating()

    @tf.function(autograph=False)
    def step(samples, generated):
        with tf.GradientTape() as tape:
            loss = objective.critic_loss(classifier(samples), classifier(generated))
        optimizer.apply(tape.gradient(loss, classifier.trainable_variables), classifier.trainable_variables)

    random = np.random.default_rng(seed)

    def learn(steps, generator):
        for _ in range(steps):
            both = real(random, _BATCH), random.normal(*generator, _BATCH)
            step(*(tf.constant(x[:, None], tf.float32) for x in both))

    x = np.float32(points)[:, None]
    learn(max(after), _OLD)
    old, found, done = classifier(x), {}, 0
    for steps in sorted(after):
        learn(steps - done, _NEW)
        done = steps
        found[steps] = objectives.probability_ratio(classifier(x), old).numpy()[:, 0]
    return found


def table(found, true):
    """A markdown table, a row a number of steps: how log r relates to its true value."""
    lines = ["| steps of the classifier | correlation of log r | mean error of log r |", "|---|---|---|"]
    for steps, ratio in found.items():
        r, t = np.log(ratio), np.log(true)
        lines.append(f"| {steps} | {np.corrcoef(r, t)[0, 1]:.3f} | {np.abs(r - t).mean():.3f} |")
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
    x = np.random.default_rng(flag_values.seed + 1).normal(*_NEW, 1000)
    found, true = estimates(x, flag_values.seed), true_ratio(x)
    files.write_text(os.path.join(output, "table.md"), table(found, true))
    plot(x, found, true, os.path.join(output, "plot.png"))
    print(table(found, true))


if __name__ == "__main__":
    command.run(main, sys.argv)
