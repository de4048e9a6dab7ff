"""TensorFlow's own lines, which it writes while it is imported whatever TF_CPP_MIN_LOG_LEVEL says, left out."""

import os
import re
import shutil
import subprocess
import sys

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


def load_tensorflow() -> None:
    """Import TensorFlow without its lines, unless TF_CPP_MIN_LOG_LEVEL asks for them.

    Standard error goes through a `grep` meanwhile, which outlives an import that ends this process: then the reason is
    still shown.
    """
    grep = shutil.which("grep")
    if "tensorflow" in sys.modules or os.environ.get(_LEVEL, "3") != "3" or sys.stderr is None or grep is None:
        return
    sys.stderr.flush()
    screen = os.dup(2)
    others = subprocess.Popen([grep, "--text", "-v", "-E", _NOISE], stdin=subprocess.PIPE, stdout=screen)
    os.dup2(others.stdin.fileno(), 2)  # type: ignore[union-attr]
    try:
        import tensorflow  # noqa: F401
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)
        others.communicate()
