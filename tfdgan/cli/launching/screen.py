"""What stands on the screen of a launched job: learners' lines, a progress bar, and at last the error, if any."""

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import TextIO

from tqdm import tqdm

from tfdgan.cli import quiet
from tfdgan.cli.launching.lines import Line

_REASON = re.compile(r"(?:horovodrun(?:\.py)?: error|\w+Error): (.+)")
_WRONG_OPTIONS = 2  # the exit code of argparse


class Screen:
    """Shows the lines of a job, one after the other; `close` ends it.

    If nobody reads a stream any more, the job goes on silently, as without a launcher.

    Args:
      has_bar: progress is a bar on standard error, in place of lines.
      goes_on: a learner's error need not end the job, and is shown at once.
      verbose: lines of horovodrun itself are shown, too. Else they are held back until the job ends: after an error of
        ours they would only bury it.
    """

    def __init__(self, has_bar: bool, goes_on: bool = False, verbose: bool = False) -> None:
        self._bar: tqdm | None = None
        self._has_bar, self._goes_on, self._verbose = has_bar, goes_on, verbose
        self._held: list[str] = []
        self._ends: list[str] = []
        self._is_stopped = False

    def show(self, line: Line) -> None:
        """Take in a line."""
        if line.is_noise:
            return
        self._is_stopped |= line.says_stopped
        if line.ends_the_job:
            if line.text not in self._ends:
                self._ends.append(line.text)
            if self._goes_on:
                self._write(line)
        elif line.learner is None and not self._verbose:
            self._held.append(line.text)
        elif self._has_bar and (progress := line.progress):
            self._move(*progress)
        else:
            self._write(line)

    def close(self, code: int, was_asked: bool = False) -> int:
        """End the bar, say how the job has ended, and return the command's exit code.

        Args:
          code: horovodrun's exit code, which is 1 for every failure of a learner. It is 1, too, where
            horovodrun has ended the ssh to another host, whose learners may have ended well.
          was_asked: the job was asked to end.
        """
        if self._is_stopped and not self._ends:
            code = 0
        with _heard(sys.stderr):
            if self._bar is not None:
                self._bar.close()
            last = self._ends if code or not self._goes_on else []
            if code and was_asked and not last:
                last = ["interrupted: learners ended before they could save"]
            for text in last or (self._of_horovodrun(code) if code else []):
                print(text, file=sys.stderr, flush=True)
        return 2 if code and any(text.startswith("error: ") for text in self._ends) else code

    def _of_horovodrun(self, code: int) -> list[str]:
        """What horovodrun has said of its failure, and at last the reason in a line; of its options that line alone."""
        reasons = [found[1] for text in self._held if (found := _REASON.match(text))]
        if not reasons:
            return self._held
        return [*(self._held if code != _WRONG_OPTIONS else []), f"error: launch: {reasons[-1]}"]

    def _write(self, line: Line) -> None:
        stream = sys.stderr if line.is_error else sys.stdout
        with _heard(stream):
            tqdm.write(line.shown, file=stream)
            stream.flush()

    def _move(self, done: int, wanted: int, figures: str) -> None:
        with _heard(sys.stderr):
            if self._bar is None:
                self._bar = tqdm(total=wanted, initial=done, unit="step")
            self._bar.set_postfix_str(figures, refresh=False)
            self._bar.update(done - self._bar.n)


@contextlib.contextmanager
def _heard(stream: TextIO) -> Iterator[None]:
    """Write to a stream; if who read it has gone, it leads nowhere from now on."""
    try:
        yield
    except BrokenPipeError:
        quiet.lead_nowhere(stream)
