"""The compiler by which Horovod and the native exchange are built; cmake and ninja come as wheels."""

import shutil

from tfdgan.cli.doctor import commands
from tfdgan.cli.doctor.finding import Finding, Status
from tfdgan.gossip.native import compiler


def missing() -> str:
    """The compiler, if a shell does not find it; else ""."""
    program = compiler.command()[0]
    return "" if shutil.which(program) else program


def mend(absent: str) -> str:
    """The command after which there is a compiler."""
    if absent != "g++":  # CXX names a compiler that is not there
        return "unset CXX, or set it to a compiler that is there"
    return "export CXX=c++" if shutil.which("c++") else commands.apt_get("g++")


def check(absent: str, needed: bool) -> Finding:
    """Whether Horovod and the native exchange can be built here.

    Args:
      absent: what `missing` says.
      needed: whether something has to be built.
    """
    if not absent:
        return Finding(Status.OK, "tools", compiler.command()[0])
    text = f"{absent}: needed to build Horovod and the native exchange"
    if needed:
        return Finding(Status.MISSING, "tools", text, mend(absent))
    return Finding(Status.NOTE, "tools", f"{text}, which is done", mend(absent))
