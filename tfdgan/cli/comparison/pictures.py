"""The pictures of a comparison: scores against steps, time and bytes, and figures of training along it."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from tfdgan.cli.comparison.results import Result, by_arm

# What scores stand against: (label, the place on the axis of a run's steps)
Axis = tuple[str, Callable[[Result, np.ndarray], np.ndarray]]
_AXES: tuple[Axis, ...] = (
    ("step", lambda run, steps: steps),
    ("seconds of training", lambda run, steps: run.costs.spent(steps)[0]),
    ("MB sent by a learner", lambda run, steps: run.costs.spent(steps)[1] / 1e6),
)


def of_scores(scores: dict[str, list[Result]]) -> Figure:
    """Each score against steps, seconds of training and, where runs have sent any, bytes.

    A thin line is a seed, a thick one the mean over seeds.
    """
    runs = [run for results in scores.values() for run in results]
    kinds = _AXES if any(run.costs.spent(run.steps)[1].max() > 0 for run in runs) else _AXES[:2]
    figure = Figure(figsize=(5 * len(kinds), 4.5 * len(scores)), layout="constrained")
    rows = figure.subplots(len(scores), len(kinds), sharex="col", sharey="row", squeeze=False)
    colors = _colors(runs)
    for axes, (name, results) in zip(rows, scores.items(), strict=True):
        _plot_row(axes, kinds, name, results, colors)
    for axis, (label, _) in zip(rows[-1], kinds, strict=True):
        axis.set(xlabel=label)
    _add_legend(figure, colors)
    return figure


def of_scalars(results: Sequence[Result]) -> Figure:
    """Each TensorBoard scalar that was asked for along training: a thin line a seed, a thick one for their mean."""
    names = list(results[0].costs.along)
    columns = min(3, len(names))
    figure = Figure(figsize=(5 * columns, 4 * -(-len(names) // columns)), layout="constrained")
    panels = list(figure.subplots(-(-len(names) // columns), columns, squeeze=False).flat)
    colors = _colors(results)
    for axis, name in zip(panels, names, strict=False):
        for arm, runs in by_arm(results).items():
            lines = [dict(run.costs.along[name]) for run in runs.values()]
            for line in lines:
                axis.plot(list(line), list(line.values()), color=colors[arm], alpha=0.3, linewidth=0.8)
            common = sorted(set.intersection(*(set(line) for line in lines)))
            means = [np.mean([line[step] for line in lines]) for step in common]
            axis.plot(common, means, color=colors[arm], label=arm)
        values = [value for run in results for _, value in run.costs.along[name]]
        if min(values) > 0 and max(values) > 20 * min(values):
            _make_logarithmic(axis)
        axis.set(title=name, xlabel="step")
        axis.grid(alpha=0.3, which="both")
    for axis in panels[len(names) :]:
        axis.set_axis_off()
    _add_legend(figure, colors)
    return figure


def _colors(results: Iterable[Result]) -> dict[str, str]:
    """{arm: colour}, in the order in which arms come."""
    return {arm: f"C{number % 10}" for number, arm in enumerate(dict.fromkeys(run.trial.arm.name for run in results))}


def _make_logarithmic(axis: Axes) -> None:
    """Numbers stand at the ticks as they are, not as powers of 10."""
    axis.set(yscale="log")
    axis.yaxis.set_major_formatter(_Plain())
    axis.yaxis.set_minor_formatter(_Plain(minor_thresholds=(2, 0.4)))


class _Plain(LogFormatter):
    """Leaves out the ticks that matplotlib would, and writes the others plainly."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _add_legend(figure: Figure, arms: Iterable[str]) -> None:
    lines = {line.get_label(): line for axis in figure.axes for line in axis.lines}
    figure.axes[0].legend(handles=[lines[arm] for arm in arms], fontsize="small")


def _plot_row(
    axes: np.ndarray, kinds: Sequence[Axis], name: str, results: Sequence[Result], colors: dict[str, str]
) -> None:
    for arm, runs in by_arm(results).items():
        # At the steps that all seeds of the arm have.
        common = np.array(sorted(set.intersection(*(set(run.steps.tolist()) for run in runs.values()))))
        mean = np.mean([[run.values[run.steps == step][0] for step in common] for run in runs.values()], axis=0)
        for axis, (_, place) in zip(axes, kinds, strict=True):
            for run in runs.values():
                axis.plot(place(run, run.steps), run.values, color=colors[arm], alpha=0.3, linewidth=0.8)
            places = np.mean([place(run, common) for run in runs.values()], axis=0)
            axis.plot(places, mean, color=colors[arm], label=arm)
    for axis in axes:
        if all(run.values.min() > 0 for run in results):
            _make_logarithmic(axis)
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel(name)
