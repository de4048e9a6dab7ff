"""The generator's objectives along the line from its weights before a step's inner updates to those after.

    python tools/experiments/surrogate_line.py --output=runs/surrogate_line

After Figure 1 (left) of Wu et al., "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting"
(NeurIPS 2020). A net of configs/digits_clipped_ratio.flags, but with five critic and five generator updates a step, is
trained a while; then one step's inner updates take generator and classifier from old to new weights. On fixed latents,
at old + a (new - old) of both: the mean score E f, E r f, and the clipped surrogates. The classifier of a point on the
line is taken between the two as well.
"""

import os
import sys

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command, flagfiles
from tfdgan.storage import files

_FLAGFILE = "configs/digits_clipped_ratio.flags"
_AMOUNTS = np.linspace(0, 3, 31)
_LATENTS = 1000


def _define(flag_values):
    flags.DEFINE_integer("steps", 300, "Steps before the one looked at.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Seed.", lower_bound=0, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for table.md and plot.png.", flag_values=flag_values)


def settings(seed):
    """The options of the flagfile with five updates of each player, on one learner."""
    return flagfiles.read(_FLAGFILE, strategy="local", critic_steps=5, generator_steps=5, ratio="single", seed=seed)


def moving(trainer):
    """{player: net} of those whose weights are looked at: generator, classifier."""
    found = {player.name: player.model for player in trainer.players}
    return {name: found[name] for name in ("generator", "classifier")}


def before_and_after(options, steps):
    """(trainer, {player: (old values, new values)}) of the step after `steps`."""
    from tfdgan.cli.objects import make_trainer
    from tfdgan.tasks import ImageTask

    task = ImageTask(options)
    source = task.source()
    trainer = make_trainer(options, task, *task.build_models(source.sample_shape))
    batches = iter(source.stream(options.batch_size * trainer.batches_a_step, options.seed, 0))
    trainer.steps(0, steps, batches)
    models = moving(trainer)
    old = {name: model.get_weights() for name, model in models.items()}
    trainer.steps(steps, 1, batches)
    return trainer, {name: (old[name], model.get_weights()) for name, model in models.items()}


def along(trainer, ends, options):
    """{name: values at `_AMOUNTS`}."""
    import tensorflow as tf

    from tfdgan import objectives
    from tfdgan.training.noise import Noise

    z = Noise(options.seed, "line").normal([_LATENTS, options.latent_size], "latents", 0)
    generator, classifier = moving(trainer).values()

    def set_to(name, model, amount):
        model.set_weights([old + amount * (new - old) for old, new in zip(*ends[name], strict=True)])

    curves = {"E f": [], "E r f": [], "clipped (paper)": [], "clipped (released)": [], "mean r": []}
    for amount in _AMOUNTS:
        set_to("generator", generator, amount)
        x = generator(z, training=True)
        f = tf.reshape(trainer.critic(x, training=False), [-1])
        logits = []
        for between in (amount, 0.0):
            set_to("classifier", classifier, between)
            logits.append(tf.reshape(classifier(x, training=False), [-1]))
        r = objectives.probability_ratio(*logits)
        clipped = (
            objectives.clipped_ratio_surrogate(f, r, options.clip_epsilon, mode) for mode in ("paper", "released")
        )
        for curve, values in zip(curves.values(), (f, r * f, *clipped, r), strict=True):
            curve.append(float(tf.reduce_mean(values)))
    return curves


def plot(curves, path):
    figure = Figure(figsize=(10, 4), layout="constrained")
    objective, ratio = figure.subplots(1, 2)
    for name, values in curves.items():
        axis = ratio if name == "mean r" else objective
        axis.plot(_AMOUNTS, values, label=name)
    for axis, what in ((objective, "to be maximised"), (ratio, "mean r")):
        axis.axvline(1, color="k", linewidth=0.5)
        axis.set(xlabel="from old (0) to new weights (1) and beyond", ylabel=what)
    objective.legend()
    figure.savefig(path, dpi=100)


def table(curves):
    """A markdown table, a row an objective."""
    shown = [int(np.argmin(np.abs(_AMOUNTS - amount))) for amount in (0, 0.5, 1, 2, 3)]
    lines = [f"| | {' | '.join(f'{_AMOUNTS[i]:.3g}' for i in shown)} |", "|---" * (len(shown) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{values[i]:.3g}' for i in shown)} |" for name, values in curves.items()]
    return "\n".join(lines) + "\n"


def main(argv):
    flag_values = command.parse(argv, _define)
    (output,) = command.required(flag_values, "output")
    os.makedirs(output, exist_ok=True)
    options = settings(flag_values.seed)
    curves = along(*before_and_after(options, flag_values.steps), options)
    files.write_text(os.path.join(output, "table.md"), table(curves))
    plot(curves, os.path.join(output, "plot.png"))
    print(table(curves))


if __name__ == "__main__":
    command.run(main, sys.argv)
