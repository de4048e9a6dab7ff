"""The programs by which Horovod and the native exchange are built."""

import shutil

from tfdgan.cli.doctor import commands
from tfdgan.cli.doctor.finding import Finding, Status
from tfdgan.gossip.native import compiler

_PACKAGES = {"g++": "g++", "cmake": "cmake", "make": "make"}  # {program: the system's package}


def missing() -> list[str]:
    """Those that a shell does not find."""
    return [one for one in (compiler.command()[0], "cmake", "make") if not shutil.which(one)]


def mend(names: list[str]) -> str:
    """The command after which these programs are there."""
    if "g++" in names and shutil.which("c++"):
        return "export CXX=c++"
    packages = [_PACKAGES[name] for name in names if name in _PACKAGES]
    if len(packages) < len(names):  # CXX names a compiler that is not there
        return "unset CXX, or set it to a compiler that is there"
    return commands.apt_get(*packages)


def check(absent: list[str], needed: bool) -> Finding:
    """Whether Horovod and the native exchange can be built here.

    Args:
      absent: the programs that are missing.
      needed: whether something has to be built.
    """
    if not absent:
        return Finding(Status.OK, "tools", f"{compiler.command()[0]}, cmake, make")
    text = f"{', '.join(absent)}: needed to build Horovod and the native exchange"
    if needed:
        return Finding(Status.MISSING, "tools", text, mend(absent))
    return Finding(Status.NOTE, "tools", f"{text}, which is done", mend(absent))
