"""Which charts a page has, and what a good curve looks like in each."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfdgan.cli.reports import drawing, scores
from tfdgan.cli.reports.markup import Markup
from tfdgan.cli.reports.thinning import Curve


@dataclasses.dataclass(frozen=True)
class Shown:
    """A scalar in a chart.

    Attributes:
      scalar: TensorBoard's name.
      label: for the legend.
      factor: of the values.
      spread: the scalar that says how far learners are apart, or "".
      dots: whether points are not joined.
    """

    scalar: str
    label: str = ""
    factor: float = 1.0
    spread: str = ""
    dots: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """A chart to draw of what was logged.

    Attributes:
      name: of the chart within the page.
      title: what it shows, with the unit.
      good: a sentence: what a good curve looks like.
      shown: its lines.
      scale, percent, whole: as `drawing.draw` takes them.
      if_more_than: the chart is left out if no value is larger; None: it is never left out.
      if_changing: the chart is left out if all values are the same.
    """

    name: str
    title: str
    good: str
    shown: tuple[Shown, ...]
    scale: str = "linear"
    percent: bool = False
    whole: bool = False
    if_more_than: float | None = None
    if_changing: bool = False


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart as the page has it."""

    title: str
    good: str
    picture: Markup


TRAINING = (
    Plan(
        "likelihood",
        "Likelihood loss of pretraining",
        "A good curve falls steeply, then levels off: from there on pretraining teaches little more.",
        (Shown("loss/likelihood"),),
    ),
    Plan(
        "critic",
        "Critic's loss",
        "A good curve settles after the start and stays within bounds; one that runs away says that training has come "
        "apart.",
        (Shown("loss/critic", spread="loss/critic_spread"),),
    ),
    Plan(
        "generator",
        "Generator's loss",
        "A good curve stays within bounds; whether it is high or low says little, as the critic moves too, so look at "
        "the scores.",
        (Shown("loss/generator", spread="loss/generator_spread"),),
    ),
    Plan(
        "consensus",
        "Consensus distance (how far learners' weights are apart, log axis)",
        "A good curve rises from the common start, then levels off or falls; one that keeps rising says that learners "
        "drift apart.",
        (
            Shown("consensus/distance", "estimate at ticks"),
            Shown("consensus/distance_exact", "exact, where learners meet", dots=True),
        ),
        scale="log",
        if_more_than=0.0,
    ),
    Plan(
        "time",
        "Time of a step (ms)",
        "A good curve is low and flat; its first point has the compiling in it, and later peaks are moments when the "
        "machine or the network was busy.",
        (Shown("time/step", factor=1e3),),
    ),
    Plan(
        "waiting",
        "Share of a step spent waiting for other learners",
        "A good curve stays low; near 100% the network or the slowest learner sets the pace.",
        (Shown("time/waiting_share"),),
        percent=True,
        if_more_than=1e-3,
    ),
    Plan(
        "clipped",
        "Share of samples whose probability ratio is clipped",
        "A good curve stays above 0, where clipping would do nothing, and far below 100%, where the generator moves "
        "too far in a step.",
        (Shown("ratio/clip_fraction"),),
        percent=True,
    ),
    Plan(
        "effective",
        "Effective share of the reweighted batch",
        "A good curve stays well between 0, where a few samples decide everything, and 100%, where all weights are the "
        "same.",
        (Shown("reweighting/effective_share"),),
        percent=True,
    ),
)
NETWORK = (
    Plan(
        "learners",
        "Learners",
        "A good curve is flat; a drop is a learner that was lost, a rise one that came back.",
        (Shown("network/learners"),),
        whole=True,
        if_changing=True,
    ),
    Plan(
        "reconnections",
        "Reconnections since the run was last started",
        "A good curve stays at 0; every rise is a connection that broke and came back.",
        (Shown("network/reconnections"),),
        whole=True,
        if_more_than=0.0,
    ),
    Plan(
        "bytes",
        "MB that a learner sends in a step",
        "A good curve is as low as the strategy allows; it changes with the phase of training and with the number of "
        "learners.",
        (Shown("network/bytes_a_step", factor=1e-6),),
        if_changing=True,
    ),
)
_BETTER = {
    "low": "Lower is better: a good curve falls fast, then levels off; where it rises again the samples get worse.",
    "high": "Higher is better: a good curve rises fast, then levels off; where it falls again the samples get worse.",
    "": "A good curve moves away from its start, then settles; whether high or low is better depends on the data.",
}
_CIRCLE = " The circle is the best."
_BAND = " The band is as wide as the learners' losses lie apart."
_CUT = " A few points lie outside the picture."


def names() -> list[str]:
    """The TensorBoard scalars that charts are made of."""
    shown = [part for plan in (*TRAINING, *NETWORK) for part in plan.shown]
    return [name for part in shown for name in (part.scalar, part.spread) if name]


def of_logs(plans: Sequence[Plan], curves: Mapping[str, Curve], mark: int) -> Iterator[Chart]:
    """The charts of those plans of which there is something to show.

    Args:
      curves: {name of a scalar: what was logged}.
      mark: the step at which pretraining ends; 0: there is none.
    """
    for plan in plans:
        lines = [line for part in plan.shown if (line := _line(part, curves, plan.scale))]
        values = [value for line in lines for value in line.values]
        if not values or (plan.if_more_than is not None and max(values) <= plan.if_more_than):
            continue
        if plan.if_changing and len(set(values)) == 1:
            continue
        how: Any = {"scale": plan.scale, "percent": plan.percent, "whole": plan.whole}
        before = mark if any(min(line.steps) < mark < max(line.steps) for line in lines) else 0
        picture, is_cut = drawing.draw(f"chart-{plan.name}", plan.title, lines, **how, mark=before)
        banded = any(line.band is not None for line in lines)
        ends = " The dashed line is the end of pretraining." if before else ""
        yield Chart(plan.title, plan.good + (_BAND if banded else "") + ends + (_CUT if is_cut else ""), picture)


def _line(part: Shown, curves: Mapping[str, Curve], scale: str) -> drawing.Line | None:
    """What was logged as a line; None if there is nothing. A logarithm has only what is above 0."""
    curve = curves.get(part.scalar)
    points = curve.points if curve else []
    points = [(step, value) for step, value in points if scale != "log" or value > 0]
    if not points:
        return None
    steps, values = zip(*points, strict=True)
    spread, band = curves.get(part.spread), None
    if spread and any(width > 0 for _, width in spread.points):
        # A long curve and its spread are thinned at different steps.
        at, widths = np.array(spread.points).T
        band = part.factor * np.interp(np.array(steps), at, widths)
    return drawing.Line(part.label, steps, [part.factor * value for value in values], band, part.dots)


def of_scores(kinds: Sequence[scores.Kind]) -> Iterator[Chart]:
    """A chart of each kind of score that there is of two steps or more."""
    for number, kind in enumerate(kinds):
        curve = Curve()
        for step, record in kind.by_step.items():
            curve.add(step, scores.value(record))
        if len(curve.points) < 2:
            continue
        steps, values = zip(*curve.points, strict=True)
        best = kind.best["step"] if kind.best else None
        scale = "log" if min(values) > 0 and max(values) > 20 * min(values) else "linear"
        line = drawing.Line("", steps, values, best=best)
        label = f"{kind.name} against steps"
        picture, _ = drawing.draw(f"chart-score-{number}", label, [line], scale=scale, all_shown=True)
        title = f"{kind.name}{' (log axis)' if scale == 'log' else ''}"
        circle = _CIRCLE if best is not None else ""
        yield Chart(title, _BETTER[kind.better] + circle, picture)
