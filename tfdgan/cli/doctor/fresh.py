"""Trying something in a fresh process, so that a crash is a finding and does not end this one."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_MARK = "fact of tfdgan.doctor: "  # begins a line that the child means for its parent; libraries print what they like
_WORDS = 240  # characters of a fault's text


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How far a child came.

    Attributes:
      facts: all that it told.
      doing: what it had begun last, as it told by the fact "doing"; "" if nothing.
      fault: why it ended before it was done, in one line; "" if it did not.
      kind: the type of the exception or the name of the signal that ended it.
      lacks: the module that it did not find; "" if that was not why it ended.
    """

    facts: Mapping[str, Any]
    doing: str = ""
    fault: str = ""
    kind: str = ""
    lacks: str = ""


def tell(facts: Callable[[], Iterator[dict[str, Any]]]) -> None:
    """In the child: tell the facts one after the other, and the exception that ends them."""
    try:
        for found in facts():
            _send(found)
        _send({"done": True})
    except Exception as error:
        lacks = error.name if isinstance(error, ModuleNotFoundError) else None
        _send({"fault": _one_line(str(error)) or "no message", "kind": type(error).__name__, "lacks": lacks or ""})


def run(module: str, seconds: float = 300) -> Outcome:
    """Run a module that calls `tell`, as a program of this Python in this environment, for so long at most."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Outcome({}, fault=f"no process can be started ({error.strerror or error})", kind=type(error).__name__)
    slow = False
    try:
        said, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        slow, (said, errors) = True, child.communicate()
    return outcome(said, errors, child.returncode, seconds if slow else None)


def outcome(said: str, errors: str, code: int, slow: float | None = None) -> Outcome:
    """What a child's output and its exit code tell.

    Args:
      said: its standard output.
      errors: its standard error.
      slow: the seconds after which it was ended; None if it ended by itself.
    """
    facts: dict[str, Any] = {}
    for line in said.splitlines():
        start, mark, text = line.partition(_MARK)
        if mark:
            with contextlib.suppress(json.JSONDecodeError):  # a crash may cut a line
                facts |= json.loads(text)
    doing, done = facts.pop("doing", ""), facts.pop("done", False)
    fault, kind, lacks = (facts.pop(name, "") for name in ("fault", "kind", "lacks"))
    if slow is not None:
        fault, kind = f"no answer in {slow:g} s", "timeout"
    elif not done and not fault:
        kind = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = _last_words(errors)
        fault = f"{kind}: {last}" if last else kind
    return Outcome(facts, doing, fault, kind, lacks)


def _send(found: dict[str, Any]) -> None:
    print(f"\n{_MARK}{json.dumps(found)}", flush=True)


def _one_line(text: str) -> str:
    """The first line of a message that says something."""
    return next((" ".join(line.split()) for line in text.splitlines() if line.strip()), "")[:_WORDS]


def _last_words(errors: str) -> str:
    """What C++ says of the exception that ended it, or else the last line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    thrown = [line.removeprefix("what():").strip() for line in lines if line.startswith("what():")]
    return (thrown or lines or [""])[-1][-_WORDS:]
