"""How well style and content go together along training: accuracy against self-BLEU, a point a scored checkpoint."""

import io
import os

from tfdgan import files, score_log

NAME = "accuracy_bleu"
_SCORES = ("style accuracy", "self-BLEU")


def points(workdir, latest):
    """[(step, accuracy, self-BLEU)] by step, of the scores in a workdir that were made as `latest` was: by the same
    judges, on the same sentences. The last score of a step counts.

    Args:
      latest: a list of `Score` with both.
    """
    wanted = {score.name: score.signature for score in latest if score.name in _SCORES}
    found = {}
    for record in score_log.read(workdir):
        if record["signature"] == wanted.get(record["name"]):
            found.setdefault(record["step"], {})[record["name"]] = record["value"]
    return [(step, *(of[name] for name in _SCORES)) for step, of in sorted(found.items()) if len(of) == len(_SCORES)]


def write(found, workdir):
    """Write the table of `points` and its plot to the workdir; returns their paths."""
    table, plot = (os.path.join(workdir, f"{NAME}.{kind}") for kind in ("tsv", "png"))
    lines = ["\t".join(["step", *_SCORES]), *(f"{step}\t{right:.2f}\t{kept:.2f}" for step, right, kept in found)]
    files.write_text(table, "\n".join(lines) + "\n")
    with files.replacing(plot) as file:
        file.write(_plot(found))
    return table, plot


def _plot(found):
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
