"""Horovod and horovodrun, which start several learners."""

import os
import subprocess
from collections.abc import Sequence

from tfdgan.cli.doctor import commands
from tfdgan.cli.doctor.finding import Finding, Fix, Status, Way
from tfdgan.cli.doctor.fresh import Outcome

_STOPS = frozenset({Way.HOROVODRUN})
_OF_ANOTHER = ("undefined symbol", "installed with version")  # what is said where TensorFlow is not the one built for


def horovod(version: str | None, elsewhere: str, tried: Outcome) -> list[Finding]:
    """Whether Horovod loads beside TensorFlow, was built for it, and starts.

    Args:
      version: of the package; None if it is not installed.
      elsewhere: the folder from which Python takes Horovod, if that is not the installed one; else "".
      tried: what probe_horovod.py has told.
    """
    said = f"horovod {version}" if version and not elsewhere else "horovod"
    if elsewhere:
        mend, fix = f"take {elsewhere} out of PYTHONPATH, or Horovod out of it", None
    else:
        mend, fix = commands.fix(), Fix.HOROVOD

    def wrong(text: str, status: Status = Status.BROKEN, stops: frozenset[Way] = _STOPS) -> list[Finding]:
        return [Finding(status, "horovod", f"{said}: {text}", mend, stops, fix)]

    if tried.doing in ("", "tensorflow"):
        if version or elsewhere:
            return [Finding(Status.NOTE, "horovod", f"{said}: cannot be tried without TensorFlow", stops=_STOPS)]
        text = "horovod: not installed; TensorFlow comes first, Horovod is built for it"
        return [Finding(Status.MISSING, "horovod", text, stops=_STOPS)]
    if tried.doing == "horovod":
        if tried.lacks == "horovod" and version is None:
            return wrong("only a single learner, or --rendezvous, can train", Status.MISSING)
        why = "built for another TensorFlow" if any(one in tried.fault for one in _OF_ANOTHER) else "does not load"
        return wrong(f"{why} ({tried.fault})")
    if not tried.facts["gloo"]:
        return wrong("built without Gloo")
    if tried.doing == "start" and "size" not in tried.facts:
        text = f"{said}: loads, but does not start ({tried.fault})"
        return [Finding(Status.BROKEN, "horovod", text, stops=_STOPS)]
    if mismatch := tried.facts["mismatch"]:
        return wrong(f"loads, but was built for another TensorFlow ({mismatch})", stops=frozenset())
    kinds = "Gloo and MPI" if tried.facts["mpi"] else "Gloo"
    return [Finding(Status.OK, "horovod", f"{said} ({kinds}), built for this TensorFlow")]


def horovodrun(scripts: str, on_path: str | None, why_not: str) -> Finding:
    """Whether this Python's horovodrun starts, and a shell finds it.

    Args:
      scripts: this Python's folder of commands.
      on_path: what a shell finds by the name; None for nothing.
      why_not: why the one in `scripts` does not start; "" if it does.
    """
    here = os.path.join(scripts, "horovodrun")
    if why_not:
        text = f"{here}: does not start ({why_not})"
        return Finding(Status.BROKEN, "horovodrun", text, commands.fix(), _STOPS, Fix.HOROVOD)
    if on_path and os.path.abspath(on_path) == os.path.abspath(here):
        return Finding(Status.OK, "horovodrun", f"horovodrun: {here}")
    mend = f'export PATH="{scripts}:$PATH"'
    if on_path:
        text = f"horovodrun: a shell finds {on_path}, of another Python; this Python's is {here}"
        return Finding(Status.BROKEN, "horovodrun", text, mend)
    return Finding(Status.NOTE, "horovodrun", f"horovodrun: a shell does not find it; it is {here}", mend)


def why_not(command: Sequence[str], seconds: float = 60) -> str:
    """Why a command does not run, in one line; "" if it does."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer in {seconds:g} s"
    if not done.returncode:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1].strip()
