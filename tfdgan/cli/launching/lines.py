"""Lines of horovodrun, and what a person should see of them."""

import re
from typing import NamedTuple

from tfdgan.cli.quiet import is_noise

_LEARNERS = re.compile(r"(?:\[[^\]]*\])?\[(?:\d+,)?(\d+)\]<(stdout|stderr)>:(.*)", re.DOTALL)
_STEP = re.compile(r"step (\d+)/(\d+): (.*)")
_ENDS = ("error: ", "fault: ")


class Line(NamedTuple):
    """A line of the job.

    Attributes:
      learner: who has said it; None: horovodrun itself.
      text: without horovodrun's prefix.
      is_error: True if it stood on standard error.
    """

    learner: int | None
    text: str
    is_error: bool

    @property
    def ends_the_job(self) -> bool:
        """True for the one line of an error that a user can mend, or of a fault."""
        return self.learner is not None and self.text.startswith(_ENDS)

    @property
    def says_stopped(self) -> bool:
        """True for the line of a job that has saved and stopped, as it was asked to."""
        return self.learner is not None and self.text.startswith("stopped on request at step ")

    @property
    def is_noise(self) -> bool:
        """True for a line that says nothing to a person."""
        return is_noise(self.text) or self.text.strip() in ("", "Terminated")  # as horovodrun ends the others

    @property
    def shown(self) -> str:
        """The text; where another learner than the first speaks, with who it is."""
        return f"[{self.learner}] {self.text}" if self.learner else self.text

    @property
    def progress(self) -> tuple[int, int, str] | None:
        """(steps done, steps wanted, figures) of a line of the trainer's progress."""
        found = _STEP.fullmatch(self.text)
        return (int(found[1]), int(found[2]), found[3]) if found else None


def parsed(text: str, is_error: bool) -> Line:
    """The `Line` of what horovodrun wrote on one of its two streams, without the line's end.

    "[3]<stderr>:error: x" is learner 3's "error: x", and so are "[date][3]<stderr>:error: x", of horovodrun's
    --prefix-output-with-timestamp, and MPI's "[1,3]<stderr>:error: x".
    """
    if found := _LEARNERS.match(text):
        return Line(int(found[1]), found[3], found[2] == "stderr")
    return Line(None, text, is_error)
