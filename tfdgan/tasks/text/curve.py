"""Quality against diversity of a language model's sentences, over sampling temperatures.

Caccia, Caccia, Fedus, Larochelle, Pineau, Charlin, "Language GANs Falling Short", ICLR 2020: one temperature says
little, since any model can trade quality for diversity; so models are compared along a curve.
"""

import io
import os
from collections.abc import Mapping, Sequence

from tfdgan.storage import files
from tfdgan.tasks.text.sampler import SentenceSampler
from tfdgan.training import scoring
from tfdgan.training.scoring import Progress, Scored

Row = tuple[str, float, dict[str, float]]  # (model, temperature, {score's name: value})

TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
NAME = "quality_diversity"


def measure(
    task: Scored, samplers: Mapping[str, SentenceSampler], number: int | None, seed: int, progress: Progress
) -> list[Row]:
    """A row for each sampler and temperature, on learner 0.

    Args:
      task: scores the samples.
      samplers: by name; every learner gives the same.
      number, seed, progress: as `scoring.score` takes them.
    """
    rows = []
    for name, sampler in samplers.items():
        for temperature in TEMPERATURES:
            cooled = sampler.at_temperature(temperature)
            scores = scoring.score(task, cooled, number, seed, thorough=True, progress=progress)
            rows.append((name, temperature, {score.name: float(score.value) for score in scores}))
    return rows


def write(rows: Sequence[Row], workdir: str) -> tuple[str, str]:
    """Write the table and its plot to the workdir; returns their paths. Quality is NLL_oracle, else BLEU-4."""
    names = list(rows[0][2])
    lines = ["\t".join(["model", "temperature", *names])]
    lines += ["\t".join([name, f"{t:g}", *(f"{scores[n]:.4f}" for n in names)]) for name, t, scores in rows]
    table, plot = (os.path.join(workdir, f"{NAME}.{kind}") for kind in ("tsv", "png"))
    files.write_text(table, "\n".join(lines) + "\n")
    with files.replacing(plot) as file:
        file.write(_plot(rows, "NLL_oracle" if "NLL_oracle" in names else "BLEU-4"))
    return table, plot


def _plot(rows: Sequence[Row], quality: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name in dict.fromkeys(name for name, *_ in rows):
        points = [(scores["self-BLEU-4"], scores[quality], t) for other, t, scores in rows if other == name]
        x, y, temperatures = zip(*points, strict=True)
        axes.plot(x, y, "o-", label=name)
        for place in zip(x, y, temperatures, strict=True):
            axes.annotate(f"{place[2]:g}", place[:2], fontsize=7, xytext=(3, 3), textcoords="offset points")
    better = "lower" if quality == "NLL_oracle" else "higher"
    axes.set(xlabel="self-BLEU-4 (lower: more diverse)", ylabel=f"{quality} ({better}: better)")
    axes.legend(title="numbers: temperature")
    canvas, buffer = FigureCanvasAgg(figure), io.BytesIO()
    canvas.print_png(buffer)
    return buffer.getvalue()
