"""What a run is made with: versions, and the machine of the learner that writes checkpoints."""

import functools
import importlib.metadata
import os
import platform

import keras
import numpy as np
import tensorflow as tf

from tfdgan import __version__


@functools.cache
def described() -> dict[str, str]:
    """{what: a text}, such as {"keras": "3.15.1"}; "" where something is not there or not known."""
    return {
        "tfdgan": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "horovod": _horovod(),
        "python": platform.python_version(),
        "system": _system(),
        "processor": f"{len(os.sched_getaffinity(0))} of {_processor()}",
    }


def _horovod() -> str:
    try:
        return importlib.metadata.version("horovod")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _system() -> str:
    """Such as "Debian GNU/Linux 12 (bookworm), Linux 6.1.0"."""
    kernel = f"{platform.system()} {platform.release()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel


def _processor() -> str:
    """The processor's own name, where the kernel tells it; else its kind, such as "aarch64"."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
