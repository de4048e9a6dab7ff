"""Charts as inline SVG, whose colours are the page's own."""

import dataclasses
import io
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from tfdgan.cli.reports.markup import Markup

# Colours that stand for the page's: drawn as the first, written as the second.
_INK, _GRID = "#010203", "#010204"
_SERIES = ("#010205", "#010206", "#010207")
_PAGE = {_INK: "currentColor", _GRID: "var(--grid)"} | {
    color: f"var(--series-{number})" for number, color in enumerate(_SERIES, 1)
}
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tfdgan",  # the same chart has the same bytes
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "path.simplify_threshold": 0.2,
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


@dataclasses.dataclass(frozen=True)
class Line:
    """What is drawn as a line.

    Attributes:
      label: for the legend, which a chart of several lines has.
      steps, values: of the points.
      band: the width of a band around each point, or None.
      dots: points that are not joined.
      best: a step to mark.
    """

    label: str
    steps: Sequence[int]
    values: Sequence[float]
    band: Sequence[float] | None = None
    dots: bool = False
    best: int | None = None


def draw(
    name: str,
    label: str,
    lines: Sequence[Line],
    *,
    scale: str = "linear",
    percent: bool = False,
    whole: bool = False,
    all_shown: bool = False,
    mark: int = 0,
) -> tuple[Markup, bool]:
    """A chart of lines against steps: (an `svg` element, whether some points are outside of it).

    Args:
      name: of this chart, unlike others of the page.
      label: what the chart shows, for those who do not see it.
      scale: of the vertical axis, "linear" or "log".
      percent: values are shares of 1.
      whole: values are whole numbers and stay until the next.
      all_shown: whether far outliers stay in the picture, however flat they press the rest.
      mark: a step at which a vertical line stands; 0: none.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.2, 2.3), layout="constrained")
        axes = figure.subplots()
        axes.set_yscale(scale)
        for line, color in zip(lines, _SERIES, strict=False):
            _draw_line(axes, line, color, whole)
        if mark:
            axes.axvline(mark, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.grid(linewidth=0.6)
        axes.margins(x=0.02)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        if percent:
            top = max(0.05, 1.08 * max(max(line.values) for line in lines))
            axes.set_ylim(-0.02 * top, top)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}%"))
        if scale == "log":
            axes.yaxis.set_major_locator(FixedLocator(_ticks(*axes.get_ylim())))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        if whole:
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        is_cut = scale == "linear" and not (whole or percent or all_shown) and _cut(axes, lines)
        if len(lines) > 1:
            above: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "ncols": len(lines)}
            axes.legend(fontsize=8, handlelength=1.2, columnspacing=1.2, **above)
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    return _inline(file.getvalue(), name, label), is_cut


def _draw_line(axes: Axes, line: Line, color: str, whole: bool) -> None:
    steps, values = np.asarray(line.steps), np.asarray(line.values, np.float64)
    alone = line.dots or len(steps) == 1
    thin = 0.8 if len(steps) > 200 else 1.3
    style = {"linestyle": "none"} if alone else {"linewidth": thin, "drawstyle": "steps-post" if whole else "default"}
    few = len(steps) <= 30
    axes.plot(steps, values, color=color, marker="o" if alone or few else "", markersize=3, label=line.label, **style)
    if line.band is not None:
        half = np.asarray(line.band) / 2
        axes.fill_between(steps, values - half, values + half, color=color, alpha=0.25, linewidth=0)
    if line.best is not None and line.best in line.steps:
        at = list(line.steps).index(line.best)
        axes.plot(steps[at], values[at], marker="o", markersize=8, fillstyle="none", color=_INK, linestyle="none")


def _ticks(low: float, high: float) -> list[float]:
    """Three places or more of a logarithmic axis that are round numbers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for firsts in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        found = [first * 10.0**power for power in powers for first in firsts if low <= first * 10.0**power <= high]
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / 7)]
    return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]


def _cut(axes: Axes, lines: Sequence[Line]) -> bool:
    """Show the middle 98% of the values where the rest would press them flat; returns whether that was so."""
    values = np.concatenate([np.asarray(line.values, np.float64) for line in lines])
    if len(values) < 20:
        return False
    low, high = np.percentile(values, 1, method="higher"), np.percentile(values, 99, method="lower")
    if values.max() - values.min() <= 3 * (high - low):
        return False
    room = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low - room), min(top, high + room))
    return True


def _inline(text: str, name: str, label: str) -> Markup:
    """An SVG file as an element of a page that has more of them: without what only files need, ids of its own."""
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
                parent.remove(child)
    for node in root.iter():
        node.tag = node.tag.removeprefix(_SVG)
        if _LINK in node.attrib:
            node.set("href", node.attrib.pop(_LINK))
    written = ElementTree.tostring(root, encoding="unicode")
    for node in root.iter():
        old = node.attrib.pop("id", None)
        if old and f"#{old}" in written:
            node.set("id", f"{name}-{old}")
        for key, value in node.attrib.items():
            node.set(key, _pointing(value, name))
    size = root.get("viewBox", "")
    root.attrib = {"viewBox": size, "role": "img", "aria-label": label}
    written = ElementTree.tostring(root, encoding="unicode")
    for drawn, page in _PAGE.items():
        written = written.replace(drawn, page)
    return Markup(written)


def _pointing(value: str, name: str) -> str:
    """An attribute that points to an id of this chart, if it does."""
    if value.startswith("#") and value not in _PAGE:
        return f"#{name}-{value[1:]}"
    return value.replace("url(#", f"url(#{name}-")
