"""The process that a lab's namespaces live and die with; run by `lab`, as process 1 of a PID namespace.

It takes a line of JSON at a time from its standard input and answers with one, and ends when the input does, however
the process at the other end has ended: then the kernel ends all processes of the PID namespace and takes down mounts,
devices and network namespaces, which have names in this process's mount namespace only. All that is left on disk is
the empty folder to which those names are mounted.
"""

import contextlib
import json
import pathlib
import signal
import sys
import time

from tfdgan.errors import UserError
from tools.network import namespaces, netem, priority
from tools.network.switch import Switch


def _hide_host(learners):
    """Names of namespaces, and of hosts, that only this mount namespace has."""
    pathlib.Path(namespaces.FOLDER).mkdir(parents=True, exist_ok=True)
    namespaces.run("mount", "-t", "tmpfs", "lab", namespaces.FOLDER)
    hosts = [f"{namespaces.address(rank)} {namespaces.name(rank)}" for rank in range(learners)]
    # Horovod's contexts of process sets bind to the address of the host's own name, whatever interface was chosen,
    # so that name must lead to the learner's address: also why a learner's processes have a host name of their own.
    path = pathlib.Path(namespaces.FOLDER, "hosts")
    path.write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
    namespaces.run("mount", "--bind", str(path), "/etc/hosts")
    path.unlink()  # the mount stays


def _join(learners, mtu, by):
    """Devices that lead to a netem bridge or to a switch in user space."""
    if by != "tap" and netem.available():
        return netem.Bridge(learners, mtu)
    if by == "netem":
        raise UserError("no netem here: modprobe sch_netem, or --by=tap")
    try:
        return Switch([namespaces.open_tap(rank) for rank in range(learners)], mtu)
    except OSError as error:
        asked = "no TAP devices" if by == "tap" else "neither netem nor TAP devices"
        raise UserError(
            f"{asked} here (/dev/net/tun: {error.strerror}): modprobe tun{'' if by == 'tap' else ', or sch_netem'}"
        ) from error


def _build(learners, mtu, by):
    _hide_host(learners)
    for rank in range(learners):
        namespaces.add(rank)
    joined = _join(learners, mtu, by)
    for rank in range(learners):
        namespaces.set_up_device(rank, learners, mtu)
    return joined


def _set_links(joined, learners, links, window):
    """[[bit/s, seconds, bytes of queue]], the bytes that TCP may have under way."""
    joined.set(links)
    for rank in range(learners):
        namespaces.set_windows(rank, window)


@contextlib.contextmanager
def _own_children():
    """While this process waits for children; else the kernel buries the processes that were left to it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _answer(call, *arguments, **named):
    """Say what went wrong with a call, or its result if that is a dict."""
    result = None
    try:
        with _own_children():
            result = call(*arguments, **named)
        said = result if isinstance(result, dict) else {}
    except (UserError, OSError) as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
    return result


def main():
    request = json.loads(sys.stdin.readline())
    joined = _answer(_build, **request)
    if joined is None:
        return
    priority.hurry()

    def answer():
        line = sys.stdin.readline()
        if not line:
            return False
        asked = json.loads(line)
        if asked:
            _answer(_set_links, joined, request["learners"], **asked)
        else:
            _answer(lambda: {**joined.report(), "cpu": time.process_time()})
        return True

    if isinstance(joined, Switch):
        joined.serve(sys.stdin.fileno(), answer)
    else:
        while answer():
            pass


if __name__ == "__main__":
    main()
