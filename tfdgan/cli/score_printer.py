"""Scores on standard output: for people, or for programs."""

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tfdgan.metrics import Score
from tfdgan.training.monitor import say

_COLUMNS = ("step", "name", "value", "spread", "signature")


class ScorePrinter:
    """Prints scores as text, as a JSON object each on a line, or as CSV with a header.

    With JSON and CSV nothing but scores goes to standard output; remarks go to standard error.

    Args:
      form: "text", "json" or "csv".
    """

    def __init__(self, form: str) -> None:
        self._form, self._has_begun = form, False

    def show(self, step: int, scores: Sequence[Score]) -> None:
        """Print the scores of a step.

        In JSON and CSV values have all their digits, and NaN is null or nothing; a signature is JSON in CSV too.
        """
        if self._form == "csv" and not self._has_begun:
            say(",".join(_COLUMNS))
        self._has_begun = True
        for score in scores:
            record = score.record(step)
            if not math.isfinite(score.value):  # which JSON has no number for
                record["value"] = None
            if self._form == "json":
                say(json.dumps(record))
            elif self._form == "csv":
                say(_row({**record, "signature": json.dumps(record["signature"])}))
            else:
                say(str(score))

    def remark(self, line: str) -> None:
        """Print a line that is no score."""
        if self._form == "text":
            say(line)
        else:
            print(line, file=sys.stderr, flush=True)


def _row(record: Mapping[str, Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([record.get(column, "") for column in _COLUMNS])
    return line.getvalue()
