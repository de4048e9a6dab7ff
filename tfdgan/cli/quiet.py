"""TensorFlow's own lines, which it writes while it is imported whatever TF_CPP_MIN_LOG_LEVEL says, held back."""

import os
import re
import sys
import tempfile

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOISE = re.compile(
    r"[IWE]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |WARNING: All log messages before absl::|"
    r"To enable the following instructions: "
)


def is_noise(line: str) -> bool:
    """True for a line of TensorFlow's C++ log, which is no error that ends a program."""
    return _NOISE.match(line) is not None


def be_quiet() -> None:
    """Let TensorFlow's C++ speak only where it ends the process, unless the environment says otherwise."""
    os.environ.setdefault(_LEVEL, "3")


def load_tensorflow() -> None:
    """Import TensorFlow; its lines appear only if the import fails, or if TF_CPP_MIN_LOG_LEVEL asks for them."""
    if "tensorflow" in sys.modules or os.environ.get(_LEVEL, "3") != "3":
        return
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            import tensorflow  # noqa: F401

            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines(keepends=True):
                if failed or not is_noise(line):
                    sys.stderr.write(line)
