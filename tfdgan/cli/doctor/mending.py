"""What `--fix` does: Horovod for this TensorFlow, and the native exchange."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence

from tfdgan.cli.doctor import commands, fresh, horovod_build, tools
from tfdgan.cli.doctor.finding import Finding, Fix, Way
from tfdgan.errors import UserError


def wanted(findings: Sequence[Finding]) -> list[Fix]:
    """What there is to mend, in the order in which it is done. Raises `UserError`, in one line, if it cannot be."""
    if first := next((one for one in findings if Way.ALONE in one.stops), None):
        raise UserError(f"--fix: {first.text}; first: {first.mend or 'mend that'}")
    fixes = [fix for fix in Fix if any(one.fix == fix for one in findings)]
    absent = tools.missing()
    if fixes and absent:
        raise UserError(f"--fix: {' and '.join(fixes)}: {absent} is missing; mend: {tools.mend(absent)}")
    if Fix.HOROVOD in fixes and not importlib.util.find_spec("pip"):
        raise UserError(f"--fix: horovod: pip is missing; mend: {commands.python()} -m ensurepip")
    return fixes


def mend(fixes: Sequence[Fix], say: Callable[[str], None]) -> None:
    """Do it; `say` is called with lines of progress. Raises `UserError` if it fails."""
    for fix in fixes:
        if fix == Fix.HOROVOD:
            _install_horovod(say)
        else:
            _build_exchange(say)


def _install_horovod(say: Callable[[str], None]) -> None:
    is_new = horovod_build.install(say)
    if not is_new and fresh.run("tfdgan.cli.doctor.probe_horovod").doing == "horovod":
        say("the Horovod that the cache has kept does not load here")
        horovod_build.install(say, anew=True)


def _build_exchange(say: Callable[[str], None]) -> None:
    say("building the native exchange, less than a minute")
    # In a fresh process, since it loads TensorFlow.
    done = subprocess.run([sys.executable, "-m", "tfdgan.gossip.native.build"], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"--fix: {last.removeprefix('error: ')}")
