"""What a person sees of a run: a progress bar or lines, TensorBoard, pictures, scores. On rank 0 only."""

import dataclasses
import os
import sys
import time

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tqdm import tqdm

from tfdgan import files, pictures, score_log


def say(line):
    """One line to the person who started this."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


class Monitor:
    """Progress, TensorBoard (workdir/tensorboard), samples/*.png and scores.jsonl of a run."""

    def __init__(self, config, start):
        self._workdir, self._steps = config.workdir, config.steps
        self._writer = tf.summary.create_file_writer(os.path.join(config.workdir, "tensorboard"))
        self._bar = tqdm(total=config.steps, initial=start, unit="step") if sys.stderr.isatty() else None
        self._spoke, self._began = 0.0, time.monotonic() - score_log.take_back(config.workdir, start)
        values = {k: v for k, v in dataclasses.asdict(config).items() if k != "workdir"}
        with self._writer.as_default(step=start):
            hparams.hparams(values)
            tf.summary.text("flags", "\n".join(f"    {line}" for line in config.to_flags().splitlines()))

    def tick(self, step, scalars):
        """Write a tick's scalars; a line or a move of the bar, at most once a second."""
        with self._writer.as_default(step=step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        losses = ((name, scalars.get(f"loss/{name}")) for name in ("likelihood", "critic", "generator"))
        brief = "".join(f"{name} {value:.3g}, " for name, value in losses if value is not None) + (
            f"consensus distance {scalars['consensus/distance']:.2g}, {1e3 * scalars['time/step']:.3g} ms/step "
            f"({100 * scalars['time/waiting_share']:.0f}% waiting)"
        )
        if self._bar is not None:
            self._bar.set_postfix_str(brief, refresh=False)
            self._bar.update(step - self._bar.n)
        elif time.monotonic() - self._spoke >= 1 or step == self._steps:
            say(f"step {step}/{self._steps}: {brief}")
            self._spoke = time.monotonic()

    def scores(self, step, scores):
        """Print scores, add them to scores.jsonl and to TensorBoard."""
        record_scores(self._workdir, step, scores, self._writer, {"seconds": round(time.monotonic() - self._began, 3)})
        for score in scores:
            say(f"step {step}: {score.name} {score.value:.4g}")

    def picture(self, step, picture):
        """Keep a picture of samples; returns its path."""
        path = os.path.join(self._workdir, "samples", f"{step:08d}.png")
        with files.replacing(path) as file:
            file.write(pictures.to_png(picture))
        with self._writer.as_default(step=step):
            tf.summary.image("samples", picture[None])
        return path

    def text(self, step, text):
        """Keep lines of samples; returns their file's path."""
        path = os.path.join(self._workdir, "samples", f"{step:08d}.txt")
        files.write_text(path, text + "\n")
        with self._writer.as_default(step=step):
            tf.summary.text("samples", "\n".join(f"    {line}" for line in text.splitlines()))
        return path

    def scalar(self, step, name, value):
        with self._writer.as_default(step=step):
            tf.summary.scalar(name, value)

    def close(self):
        if self._bar is not None:
            self._bar.close()
        self._writer.close()


def record_scores(workdir, step, scores, writer, extra):
    """Append scores to workdir/scores.jsonl, one JSON object a line with what `extra` adds, and to TensorBoard."""
    score_log.add(workdir, [{**score.record(step), **extra} for score in scores])
    with writer.as_default(step=step):
        for score in scores:
            signature = ", ".join(f"{key} {value}" for key, value in score.signature.items())
            tf.summary.scalar(f"score/{score.name}", score.value, description=signature)
    writer.flush()
