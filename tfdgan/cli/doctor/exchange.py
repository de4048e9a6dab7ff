"""The native exchange and what seals its frames: built for this TensorFlow, or to be built."""

import os
import shlex
import subprocess

from tfdgan.cli.doctor import commands
from tfdgan.cli.doctor.finding import Finding, Fix, Status, Way
from tfdgan.cli.doctor.fresh import Outcome
from tfdgan.gossip.native import compiler

_STOPS = frozenset({Way.RENDEZVOUS})


def native(tried: Outcome, has_compiler: bool) -> list[Finding]:
    """Whether the native exchange loads, or can be built; nothing where training does not load.

    Args:
      tried: what probe_tensorflow.py has told.
      has_compiler: whether there is one.
    """
    path = tried.facts.get("exchange")
    if path is None:
        text = f"native exchange: no place for it ({tried.fault})"
        return [Finding(Status.BROKEN, "exchange", text, stops=_STOPS)] if tried.doing == "exchange" else []
    if tried.facts.get("exchange_loads"):
        return [Finding(Status.OK, "exchange", "native exchange: built for this TensorFlow")]
    if tried.fault:
        text = f"native exchange: {path} does not load ({tried.fault})"
        return [Finding(Status.BROKEN, "exchange", text, _anew(path), _STOPS)]
    if has_compiler:
        text = "native exchange: not built yet; the first run of several learners builds it"
        return [Finding(Status.MISSING, "exchange", text, commands.fix(), fix=Fix.EXCHANGE)]
    text = "native exchange: cannot be built; gossip runs over Horovod, where every mix waits for all learners"
    return [Finding(Status.MISSING, "exchange", text, commands.apt_get("g++"), _STOPS)]


def sealing(tried: Outcome, has_openssl: bool) -> list[Finding]:
    """Whether frames between hosts can be sealed, or the library for it can be built.

    Args:
      has_openssl: whether its headers and its static library are there, and a compiler.
    """
    path = tried.facts.get("sealing")
    if path is None:
        return []
    if tried.facts.get("sealing_loads"):
        return [Finding(Status.OK, "sealing", "sealing: frames between hosts are encrypted")]
    if tried.doing == "sealing" and tried.fault:
        text = f"sealing: {path} does not load ({tried.fault})"
        return [Finding(Status.BROKEN, "sealing", text, _anew(path))]
    if os.path.isfile(path):  # the exchange, which loads it, does not load or is not built
        return [Finding(Status.OK, "sealing", "sealing: built")]
    if has_openssl:
        return [Finding(Status.MISSING, "sealing", "sealing: not built yet", commands.fix(), fix=Fix.EXCHANGE)]
    text = "sealing: OpenSSL's headers, without which frames between hosts are not encrypted"
    mend = f"{commands.apt_get('g++', 'libssl-dev')}, then {commands.fix()}"
    return [Finding(Status.MISSING, "sealing", text, mend)]


def _anew(path: str) -> str:
    """The command that builds a library again."""
    return f"rm {shlex.quote(path)} && {commands.python()} -m tfdgan.gossip.native.build"


def has_openssl() -> bool:
    """True if the compiler finds OpenSSL's headers and its static library."""
    if not compiler.is_there():
        return False
    asks = (["-x", "c++", "-fsyntax-only", "-include", "openssl/evp.h", "-"], ["-print-file-name=libcrypto.a"])
    try:
        headers, archive = (
            subprocess.run([*compiler.command(), *ask], input="", capture_output=True, text=True) for ask in asks
        )
    except OSError:
        return False
    return headers.returncode == 0 and os.path.isabs(archive.stdout.strip())
