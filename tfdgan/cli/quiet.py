"""TensorFlow's own lines, which it writes while it is imported whatever TF_CPP_MIN_LOG_LEVEL says, left out."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import TextIO

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOISE = (  # for Python and for grep -E
    r"^([IWE][0-9]{4} [0-9:]{5}|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}[.][0-9]+: [IWE] |"
    r"WARNING: All log messages before absl::|To enable the following instructions: )"
)


def is_noise(line: str) -> bool:
    """True for a line of TensorFlow's C++ log, which is no error that ends a program."""
    return re.match(_NOISE, line) is not None


def be_quiet() -> None:
    """Let TensorFlow's C++ speak only where it ends the process, unless the environment says otherwise."""
    os.environ.setdefault(_LEVEL, "3")


def lead_nowhere(stream: TextIO) -> None:
    """Drop what is written to a stream from now on: nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def screened() -> Iterator[None]:
    """Standard error without TensorFlow's lines, unless TF_CPP_MIN_LOG_LEVEL asks for them.

    It passes through a `grep`. If this process ends in between, the grep still shows the reason.
    """
    grep = shutil.which("grep")
    if os.environ.get(_LEVEL, "3") != "3" or sys.stderr is None or grep is None:
        yield
        return
    sys.stderr.flush()
    screen = os.dup(2)
    others = subprocess.Popen([grep, "--text", "-v", "-E", _NOISE], stdin=subprocess.PIPE, stdout=screen)
    os.dup2(others.stdin.fileno(), 2)  # type: ignore[union-attr]
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)
        others.communicate()
