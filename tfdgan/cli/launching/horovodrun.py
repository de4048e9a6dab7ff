"""horovodrun that starts sooner, and gives learners a minute to save after SIGTERM, in place of 5 seconds.

    python -m tfdgan.cli.launching.horovodrun -np 2 --gloo python -m tfdgan.train ...

The process that ends a learner is spawned by horovodrun and imports the main module again, which is this one: so what
is put in Horovod's place here holds there, too.
"""

import mmap
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import horovod
import psutil
from horovod.runner.common.util import safe_shell_exec

SECONDS_TO_END = 60.0


def has_gloo() -> bool:
    """True if Gloo is seen in Horovod's library for TensorFlow, whose names of types it would stand in."""
    for path in pathlib.Path(horovod.__file__).parent.glob("tensorflow/mpi_lib*.so"):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"N4gloo") >= 0
    return False


def end_learner(pid: int, seconds: float = SECONDS_TO_END) -> None:
    """Send SIGTERM to what the shell `pid` runs, wait until both have ended, and kill what has not.

    Horovod's own function stops the shell at the moment its learner ends. On a busy machine the shell has not ended by
    itself by then: it can no longer tell that the learner ended well, and is killed 60 seconds later (status 137).

    Args:
      pid: the process id of the shell. No such process is no error.
      seconds: how long to wait.
    """
    try:
        shell = psutil.Process(pid)
        learners = shell.children() or [shell]  # some shells become the command they run
    except psutil.NoSuchProcess:
        return
    for process in learners:
        _unless_gone(process.terminate)
    _, alive = psutil.wait_procs({shell, *learners}, timeout=seconds)
    for process in alive:
        for child in _unless_gone(process.children, recursive=True) or ():
            _unless_gone(child.kill)
        _unless_gone(process.kill)


def _unless_gone(act: Callable[..., Any], **options: Any) -> Any:
    try:
        return act(**options)
    except psutil.NoSuchProcess:
        return None


safe_shell_exec.terminate_executor_shell_and_children = end_learner

if __name__ == "__main__":
    from horovod.runner import launch

    if has_gloo():  # else Horovod's own question, which loads TensorFlow in a process of its own, finds out more
        launch.gloo_built = lambda verbose=False: True
    sys.exit(launch.run_commandline())
