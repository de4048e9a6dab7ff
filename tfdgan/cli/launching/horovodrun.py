"""horovodrun that starts sooner, and gives learners a minute to save after SIGTERM, in place of 5 seconds.

    python -m tfdgan.cli.launching.horovodrun -np 2 --gloo python -m tfdgan.train ...

The process that ends a learner is spawned by horovodrun and imports the main module again, which is this one: so what
is put in Horovod's place here holds there, too.
"""

import contextlib
import mmap
import pathlib
import sys
import sysconfig
import time

import horovod
import psutil
from horovod.runner.common.util import safe_shell_exec

SECONDS_TO_END = 60.0
_SHELL = ["/bin/sh", "-c"]  # as subprocess starts what a learner's command stands in
_PAUSE = 0.1  # seconds


def has_gloo() -> bool:
    """True if Gloo is in Horovod's library for TensorFlow: the names of its types (`N4gloo...`) stand in the file."""
    name = f"mpi_lib{sysconfig.get_config_var('EXT_SUFFIX')}"
    try:
        with (
            open(pathlib.Path(horovod.__file__).parent / "tensorflow" / name, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return content.find(b"N4gloo") >= 0
    except (OSError, ValueError):  # of no file, of an empty one
        return False


def end_learner(pid: int, seconds: float = SECONDS_TO_END) -> None:
    """Send SIGTERM to the learner that the shell `pid` runs, wait until both have ended, and kill what has not.

    Some shells become the command they run: then `pid` is the learner. How it ended stays for its parent to read.

    Horovod's own function stops the shell at the moment its learner ends. On a busy machine the shell has not ended by
    itself by then: it can no longer tell that the learner ended well, and is killed (status 137).

    Args:
      pid: a process id. No such process is no error.
      seconds: how long to wait.
    """
    told = set[psutil.Process]()
    deadline = time.monotonic() + seconds
    while _is_there(pid):
        if time.monotonic() > deadline:
            _kill(pid)
            return
        new = set(_learners(pid)) - told
        for process in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        told |= new
        time.sleep(_PAUSE)


def _is_there(pid: int) -> bool:
    """False of a zombie, too: its parent alone may take it away."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _learners(pid: int) -> list[psutil.Process]:
    """The children of a shell, which may have none yet or any more; else the process itself."""
    try:
        process = psutil.Process(pid)
        return process.children() if process.cmdline()[:2] == _SHELL else [process]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _kill(pid: int) -> None:
    """Kill a process with all that it has started; it stands still meanwhile, so it starts nothing more."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        parent.suspend()
        for process in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


safe_shell_exec.terminate_executor_shell_and_children = end_learner

if __name__ == "__main__":
    from horovod.runner import launch

    if has_gloo():  # else Horovod's own question, which loads TensorFlow in a process of its own, finds out more
        launch.gloo_built = lambda verbose=False: True
    sys.exit(launch.run_commandline())
