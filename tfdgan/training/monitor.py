"""What a person sees of a run: a progress bar or lines, TensorBoard, pictures, scores. On one learner only."""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np
import tensorflow as tf
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api as hparams
from tqdm import tqdm

from tfdgan.metrics import Score
from tfdgan.storage import files, png
from tfdgan.training import dashboard, event_log, samples, score_log


def say(line: str) -> None:
    """Print one line to the person who started this, as long as somebody reads."""
    with _heard(sys.stdout):
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()


@contextlib.contextmanager
def _heard(stream: TextIO) -> Iterator[None]:
    """Write to a stream; if who read it has gone, such as a closed terminal, it is silent from now on."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):  # a full disk, say, which may have room later
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # also for what is still to be flushed
        os.close(nowhere)


class Monitor:
    """Progress, TensorBoard (workdir/tensorboard), samples/*.png or *.txt and scores.jsonl of a run.

    Args:
      workdir: of the run.
      steps: the last step.
      start: steps done already.
      hyper_parameters: {name: value} for TensorBoard.
      flags: the run's flags as text.
    """

    def __init__(self, workdir: str, steps: int, start: int, hyper_parameters: Mapping[str, Any], flags: str) -> None:
        self._workdir, self._steps = workdir, steps
        self._logs, self._step = os.path.join(workdir, "tensorboard"), start
        self._hyper_parameters, self._flags = dict(hyper_parameters), flags
        event_log.take_back(self._logs, start)
        with event_log.disk_errors():
            self._writer = tf.summary.create_file_writer(self._logs)
        self._bar = tqdm(total=steps, initial=start, unit="step") if sys.stderr and sys.stderr.isatty() else None
        self._unwritten: list[dict[str, Any]] = []
        self._complained = False
        self._spoke = 0.0
        with self._logged():
            self._begin_log()

    def _begin_log(self) -> None:
        with self._writer.as_default(step=np.int64(self._step)):
            hparams.hparams(self._hyper_parameters)
            tf.summary.text("flags", "\n".join(f"    {line}" for line in self._flags.splitlines()))
            tf.summary.text("what the scalars say", dashboard.guide())
            tf.summary.experimental.write_raw_pb(custom_scalar.pb(dashboard.layout()).SerializeToString())

    def tick(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write a tick's scalars; a line or a move of the bar, at most once a second."""
        self._step = step
        for name, value in scalars.items():
            self.scalar(step, name, value)
        losses = ((name, scalars.get(f"loss/{name}")) for name in ("likelihood", "critic", "generator"))
        brief = "".join(f"{name} {value:.3g}, " for name, value in losses if value is not None) + (
            f"consensus distance {scalars['consensus/distance']:.2g}, {1e3 * scalars['time/step']:.3g} ms/step "
            f"({100 * scalars['time/waiting_share']:.0f}% waiting)"
        )
        if self._bar is not None:
            with _heard(sys.stderr):
                self._bar.set_postfix_str(brief, refresh=False)
                self._bar.update(step - self._bar.n)
        elif time.monotonic() - self._spoke >= 1 or step == self._steps:
            say(f"step {step}/{self._steps}: {brief}")
            self._spoke = time.monotonic()

    def scores(self, step: int, scores: Sequence[Score], records: Sequence[dict[str, Any]]) -> None:
        """Print scores, add them to TensorBoard, and remember their records until `write_scores` has written them."""
        for score in scores:
            say(f"step {step}: {score.name} {score.value:.4g}")
        with self._logged():
            plot_scores(step, scores, self._writer)
        self._unwritten += records

    def write_scores(self) -> None:
        """Add the records that are not written yet to scores.jsonl."""
        score_log.add(self._workdir, self._unwritten)
        self._unwritten = []

    def samples(self, step: int, shown: np.ndarray | str | None) -> str | None:
        """Keep samples: a picture, uint8 [h, w, 1 or 3], or lines of text. Returns the path of their file."""
        if shown is None:
            return None
        kind = "txt" if isinstance(shown, str) else "png"
        path = samples.path(self._workdir, step, kind)
        if isinstance(shown, str):
            files.write_text(path, shown + "\n")
            with self._logged(), self._writer.as_default(step=np.int64(step)):
                tf.summary.text("samples", "\n".join(f"    {line}" for line in shown.splitlines()))
        else:
            with files.replacing(path) as file:
                file.write(png.to_png(shown))
            self.picture(step, "samples", shown)
        return path

    def picture(self, step: int, name: str, shown: np.ndarray, description: str | None = None) -> None:
        """Give TensorBoard a picture, uint8 [h, w, 1 or 3], and what it shows, in words."""
        with self._logged(), self._writer.as_default(step=np.int64(step)):  # as in `scalar`
            tf.summary.image(name, shown[None], description=description)

    def scalar(self, step: int, name: str, value: float) -> None:
        """Write one scalar."""
        # TensorFlow keeps each Python number that an operation was ever given, .8 KB for good, and np.float64 is one.
        with self._logged(), self._writer.as_default(step=np.int64(step)):
            tf.summary.scalar(name, np.float32(value))

    def flush(self) -> bool:
        """Bring what was logged to disk; returns whether it is there."""
        with self._logged():
            self._writer.flush()
            if not os.path.isdir(self._logs):  # else TensorFlow writes on to files that have no name any more
                former, self._writer = self._writer, tf.summary.create_file_writer(self._logs)
                former.close()
                self._begin_log()
                self._writer.flush()
                say(f"warning: {self._logs} was removed; the log begins anew after step {self._step}")
            return True
        return False

    def close(self) -> None:
        """End the bar and the logs."""
        if self._bar is not None:
            with _heard(sys.stderr):
                self._bar.close()
        with self._logged():
            self.write_scores()
            self._writer.close()

    @contextlib.contextmanager
    def _logged(self) -> Iterator[None]:
        """Write logs; where that fails, a line says so once, and training goes on."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            if not self._complained:
                text = str(error).splitlines()[0]
                say(f"warning: the logs in {self._workdir} cannot be written ({text}); training goes on")
            self._complained = True


def record_scores(
    workdir: str, step: int, scores: Sequence[Score], writer: tf.summary.SummaryWriter, extra: Mapping[str, Any]
) -> None:
    """Append scores to workdir/scores.jsonl, one JSON object a line with what `extra` adds, and to TensorBoard."""
    score_log.add(workdir, [{**score.record(step), **extra} for score in scores])
    plot_scores(step, scores, writer)


def plot_scores(step: int, scores: Sequence[Score], writer: tf.summary.SummaryWriter) -> None:
    """Give scores to TensorBoard."""
    with writer.as_default(step=step):
        for score in scores:
            signature = ", ".join(f"{key} {value}" for key, value in score.signature.items())
            tf.summary.scalar(dashboard.score_tag(score.name), score.value, description=signature)
    writer.flush()
