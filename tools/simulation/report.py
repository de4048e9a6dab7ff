"""Tables, TSV files and plots, put in place when they are whole."""

import os
import sys

import numpy as np
from matplotlib.figure import Figure

from tfdgan.storage import files


def say(line):
    """A line of progress, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


def cell(value):
    """A figure to three digits; - for what is not there."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(headers, rows):
    """Aligned lines, the first column to the left; `cell` says what stands in them."""
    cells = [list(headers), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def write_tsv(folder, name, headers, rows):
    """All digits, empty for what is not there."""
    lines = ["\t".join(headers), *("\t".join("" if v is None else str(v) for v in row) for row in rows)]
    files.write_text(os.path.join(folder, name), "\n".join(lines) + "\n")


def panels(rows, columns):
    """(figure, axes [rows, columns])."""
    figure = Figure(figsize=(4.6 * columns + 1.5, 3.6 * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def logarithmic(axis, which="xy"):
    """Make axes logarithmic that have something to show on them."""
    for name in which:
        values = [getattr(line, f"get_{name}data")() for line in axis.lines]
        if any((np.isfinite(value) & (np.asarray(value) > 0)).any() for value in values):
            axis.set(**{f"{name}scale": "log"})


def save(figure, folder, name):
    with files.replacing(os.path.join(folder, name)) as file:
        figure.savefig(file, dpi=100, format="png")
