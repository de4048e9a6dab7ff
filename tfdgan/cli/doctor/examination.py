"""All checks, in the order in which people read them."""

import importlib.metadata
import importlib.util
import os
import shutil
import socket
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tfdgan.cli.doctor import exchange, fresh, launcher, machine, network, software, tools
from tfdgan.cli.doctor.finding import Finding, Status
from tfdgan.gossip.native import compiler
from tfdgan.storage import cache

_NAME_SERVER = 15.0  # seconds to wait for


def findings() -> Iterator[Finding]:
    """Look at this environment; each finding as soon as it is known. Loads neither TensorFlow nor Horovod here."""
    with ThreadPoolExecutor() as pool:
        tensorflow = pool.submit(fresh.run, "tfdgan.cli.doctor.probe_tensorflow")
        horovod = pool.submit(fresh.run, "tfdgan.cli.doctor.probe_horovod")
        name = pool.submit(fresh.run, "tfdgan.cli.doctor.probe_name", _NAME_SERVER)
        yield software.python(sys.version_info[:3])
        yield from _of_software(tensorflow.result())
        needed = False
        for one in (*_of_horovod(horovod.result()), *_of_exchange(tensorflow.result())):
            needed |= one.status in (Status.MISSING, Status.BROKEN)
            yield one
        yield tools.check(tools.missing(), needed)
        yield network.interfaces(network.addresses())
        yield network.name(socket.gethostname(), name.result())
        yield from _of_machine()


def _of_software(tried: fresh.Outcome) -> Iterator[Finding]:
    installed = _installed()
    if "tfdgan" in installed:
        yield software.requirements(importlib.metadata.requires("tfdgan") or [], installed)
    yield from software.tensorflow(installed, tried)
    yield from software.training(tried)
    yield from software.bytecode(tried)
    yield from software.gpus(tried)


def _of_horovod(tried: fresh.Outcome) -> Iterator[Finding]:
    found = launcher.horovod(_installed().get("horovod"), _elsewhere("horovod"), tried)
    yield from found
    if not any(one.stops for one in found):
        scripts = sysconfig.get_path("scripts")
        why_not = launcher.why_not([os.path.join(scripts, "horovodrun"), "--version"])
        yield launcher.horovodrun(scripts, shutil.which("horovodrun"), why_not)


def _of_exchange(tried: fresh.Outcome) -> Iterator[Finding]:
    yield from exchange.native(tried, compiler.is_there())
    yield from exchange.sealing(tried, exchange.has_openssl())


def _of_machine() -> Iterator[Finding]:
    yield machine.open_files()
    yield machine.shared_memory()
    folder = cache.cache_folder()
    yield machine.cache(folder, cache.fault(folder))
    yield machine.memory(machine.free_memory())
    yield machine.cores(len(os.sched_getaffinity(0)))


def _installed() -> dict[str, str]:
    """{normalized name: version} of the packages of this environment; of two that are found, the one that is taken."""
    found: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        found.setdefault(software.normalized(one.metadata["Name"] or ""), one.version)
    return found


def _elsewhere(package: str) -> str:
    """The folder from which Python takes a package, if that is not the installed one; else ""."""
    spec = importlib.util.find_spec(package)
    origin = spec.origin if spec else None
    if not origin:
        return ""
    try:
        own = str(importlib.metadata.distribution(package).locate_file(f"{package}/__init__.py"))
    except importlib.metadata.PackageNotFoundError:
        own = ""
    if own and os.path.exists(own) and os.path.samefile(own, origin):
        return ""
    return os.path.dirname(os.path.dirname(origin))
