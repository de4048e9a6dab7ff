"""Style against content along training: style accuracy against self-BLEU, a point for each scored checkpoint."""

import io
import os
from collections.abc import Sequence

from tfdgan.metrics import Score
from tfdgan.storage import files
from tfdgan.training import score_log

Point = tuple[int, float, float]  # (step, accuracy, self-BLEU)

NAME = "accuracy_bleu"
_SCORES = ("style accuracy", "self-BLEU")


def points(workdir: str, latest: Sequence[Score]) -> list[Point]:
    """(step, accuracy, self-BLEU) by step, of the scores in a workdir that were made as `latest` was: by the same
    judges, on the same sentences. The last score of a step counts.

    Args:
      workdir: of the run.
      latest: scores, both of these among them.
    """
    wanted = {score.name: score.signature for score in latest if score.name in _SCORES}
    found: dict[int, dict[str, float]] = {}
    for record in score_log.read(workdir):
        if record["signature"] == wanted.get(record["name"]):
            found.setdefault(record["step"], {})[record["name"]] = record["value"]
    accuracy, kept = _SCORES
    return [(step, of[accuracy], of[kept]) for step, of in sorted(found.items()) if len(of) == len(_SCORES)]


def write(found: Sequence[Point], workdir: str) -> tuple[str, str]:
    """Write the table of `points` and its plot to the workdir; returns their paths."""
    table, plot = (os.path.join(workdir, f"{NAME}.{kind}") for kind in ("tsv", "png"))
    lines = ["\t".join(["step", *_SCORES]), *(f"{step}\t{right:.2f}\t{kept:.2f}" for step, right, kept in found)]
    files.write_text(table, "\n".join(lines) + "\n")
    with files.replacing(plot) as file:
        file.write(_plot(found))
    return table, plot


def _plot(found: Sequence[Point]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    steps, right, kept = zip(*found, strict=True)
    axes.plot(right, kept, color="lightgrey", zorder=1)
    dots = axes.scatter(right, kept, c=steps, zorder=2)
    figure.colorbar(dots, label="step")
    axes.annotate(f"{steps[-1]}", (right[-1], kept[-1]), xytext=(4, 4), textcoords="offset points")
    axes.set(xlabel="style accuracy, %", ylabel="self-BLEU, points (higher: more kept)")
    axes.grid(alpha=0.3)
    canvas, buffer = FigureCanvasAgg(figure), io.BytesIO()
    canvas.print_png(buffer)
    return buffer.getvalue()
