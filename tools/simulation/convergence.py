"""Consensus distance and gradient norm along training, for each setup and number of learners."""

import numpy as np

from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tools.simulation import mixing, report

SETUPS = (
    "centralized,ring,random_ring,one_peer_exponential,exponential,ring+delayed,ring+every=4,ring+chebyshev=4,ring+8bit,"
    "ring+top=0.1"
)
LEARNERS = "8,64,256"
_MIXED_AT_EVERY_STEP = (None, "rounds", "chebyshev", "bfloat16")
_HEADERS = ("setup", "learners", "spectral gap", "learning rate", "consensus", "gradient norm", "steps to target")


def gap(setup, size, seed=0):
    """The spectral gap of the matrix by which a fixed topology mixes at every step, all its rounds together; None
    where there is no such thing."""
    if setup.centralized or setup.variant not in _MIXED_AT_EVERY_STEP or not setup.schedule(size, seed).is_fixed:
        return None
    mix = mixing.Mixer(setup.schedule(size, seed), setup.rounds, chebyshev=setup.variant == "chebyshev")
    return topology.spectral_gap(mix(np.eye(size), 0))


def run(study, setups, sizes, folder):
    """Print a table; write convergence.tsv (the table), curves.tsv and convergence.png."""
    rows, curves = [], {}
    for size in sizes:
        for setup in setups:
            try:
                rate, trace = study.best(setup, size, stop=False)
            except UserError as error:
                report.say(f"left out, {size} learners: {error.as_flags()}")
                continue
            end = slice(-10, None)
            figures = float(trace.consensus[end].mean()), float(trace.gradient_norm[end].mean())
            rows.append((setup.name, size, gap(setup, size, study.seed), rate, *figures, trace.reached))
            curves[setup.name, size] = trace
            report.say(f"{size} learners, {setup.name}: gradient norm {figures[1]:.3g}, consensus {figures[0]:.3g}")
    print(report.table(_HEADERS, rows))
    print("consensus, gradient norm: mean of the last 10 records; learning rate: the best of those tried")
    report.write_tsv(folder, "convergence.tsv", _HEADERS, rows)
    points = (
        (*key, *point)
        for key, trace in curves.items()
        for point in zip(trace.steps, trace.consensus, trace.gradient_norm, strict=True)
    )
    report.write_tsv(folder, "curves.tsv", ("setup", "learners", "step", "consensus", "gradient norm"), points)
    plot(curves, [setup.name for setup in setups], sizes, study.at, folder)


def plot(curves, names, sizes, at, folder):
    figure, axes = report.panels(2, len(sizes))
    for column, size in enumerate(sizes):
        for number, name in enumerate(names):
            if (name, size) in curves:
                trace = curves[name, size]
                style = dict(color=f"C{number % 10}", linestyle="-" if number < 10 else "--", label=name, linewidth=1)
                axes[0, column].plot(trace.steps, trace.consensus, **style)
                axes[1, column].plot(trace.steps, trace.gradient_norm, **style)
        axes[0, column].set(title=f"{size} learners", ylabel="consensus distance", ylim=(1e-4, None))
        axes[1, column].set(xlabel="step", ylabel=f"gradient norm at the {at}")
        for axis in axes[:, column]:
            report.logarithmic(axis, "y")
    axes[0, -1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    report.save(figure, folder, "convergence.png")
