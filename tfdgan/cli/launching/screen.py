"""What stands on the screen of a launched job: learners' lines, a progress bar, and at last the error, if any."""

import sys

from tqdm import tqdm

from tfdgan.cli.launching.lines import Line


class Screen:
    """Shows the lines of a job, one after the other; `close` ends it.

    Lines of horovodrun itself are held back: after an error of ours they would only bury it.
    """

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._has_bar = sys.stderr.isatty()
        self._held: list[str] = []
        self._ends: list[str] = []

    def show(self, line: Line) -> None:
        """Take in a line."""
        if line.ends_the_job:
            if line.text not in self._ends:
                self._ends.append(line.text)
        elif line.is_noise:
            return
        elif line.learner is None:
            self._held.append(line.text)
        elif self._has_bar and (progress := line.progress):
            self._move(*progress)
        else:
            tqdm.write(line.shown, file=sys.stderr if line.is_error else sys.stdout)
            sys.stdout.flush()

    def close(self, code: int) -> int:
        """End the bar, say how the job has ended, and return the command's exit code.

        Args:
          code: horovodrun's exit code, which is 1 for every failure of a learner.
        """
        if self._bar is not None:
            self._bar.close()
        if code and not self._ends:
            print("\n".join(self._held), file=sys.stderr)
        for text in self._ends:
            print(text, file=sys.stderr)
        return 2 if code and any(text.startswith("error: ") for text in self._ends) else code

    def _move(self, done: int, wanted: int, figures: str) -> None:
        if self._bar is None:
            self._bar = tqdm(total=wanted, initial=done, unit="step")
        self._bar.set_postfix_str(figures, refresh=False)
        self._bar.update(done - self._bar.n)
