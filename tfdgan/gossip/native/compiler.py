"""The C++ compiler that builds what runs natively. Loads no TensorFlow."""

import os
import shlex
import shutil


def command() -> list[str]:
    """The compiler's command, in words: CXX, which may hold options too, or g++."""
    return shlex.split(os.environ.get("CXX", "")) or ["g++"]


def is_there() -> bool:
    """True if the compiler can be called."""
    return shutil.which(command()[0]) is not None
