"""Starting the native exchange: everybody listens, and Horovod tells everybody where, once."""

import atexit
import os
import socket
from collections.abc import Sequence
from typing import Any

import horovod.tensorflow as hvd
import psutil

from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.gossip.native import library
from tfdgan.gossip.schedule import Schedule

_started: tuple[float, str, float] | None = None  # the options it was started with


def start(
    timeout: float = 60.0, on_peer_loss: str = "fail", link_mbit: float = 0.0, schedule: Schedule | None = None
) -> None:
    """Start the exchange on every learner together; a second call with the same options does nothing.

    The job's key is drawn by learner 0 and travels over Horovod's own connections, which are not encrypted; it
    keeps strangers out, not those who read or change what passes on the network.

    Args:
      timeout: seconds without a sign after which a neighbour counts as late.
      on_peer_loss: "fail": a lost neighbour is an error; "degrade": its weight goes back to self.
      link_mbit: Mbit/s that this host's link sends; 0 leaves the rate to TCP. The rate is divided equally among the
        host's learners with neighbours on other hosts. Each sends to other hosts at no more than its part, which its
        busy connections share. TCP finds a rate by overflowing the queue before the link; acknowledgements wait in that
        queue and hold up the data of the other direction (Zhang, Shenker and Clark 1991).
      schedule: the `Schedule` that says who is a neighbour; without one, everybody may be.
    """
    if _started is None:
        try:
            mine: tuple[str, str, int] | str = listen()
        except (UserError, OSError) as error:  # the others wait to hear of it
            mine = str(error)
        learners = announce(mine)
        for rank, learner in enumerate(learners):
            if isinstance(learner, str):
                raise UserError(f"learner {rank}: {learner}")
        connect(learners, timeout, on_peer_loss, link_mbit, schedule)
    elif _started != (timeout, on_peer_loss, link_mbit):
        asked = (timeout, on_peer_loss, link_mbit)
        names = ("gossip_timeout", "on_peer_loss", "link_mbit")
        changed = [(name, a, b) for name, a, b in zip(names, asked, _started, strict=True) if a != b]
        raise UserError(
            f"{', '.join(f'--{name}={new}' for name, new, _ in changed)}: the native exchange of this process runs "
            f"already, with {', '.join(f'{name}={old}' for name, _, old in changed)}; give the same, or start anew"
        )


def is_started() -> bool:
    """True once `start` or `connect` has been called."""
    return _started is not None


def start_if_needed() -> None:
    """Start with the default options unless it runs already."""
    if _started is None:
        start()


def listen() -> tuple[str, str, int]:
    """Listen on Horovod's interface; returns this learner's (host, ip, port)."""
    ip = _address()
    return socket.gethostname(), ip, library.listen(ip)


def announce(mine: Any) -> list[Any]:
    """What each learner gave, on every learner."""
    return collectives.gather_by_horovod(mine, "gossip.native.learners")


def senders(hosts: Sequence[str], rank: int, schedule: Schedule | None = None) -> int:
    """How many learners of `rank`'s host have a neighbour on another host, at some step of a schedule.

    `hosts`: each learner's. Under a random schedule, or without one, everybody may be anybody's neighbour.
    """
    here = [learner for learner, host in enumerate(hosts) if host == hosts[rank]]
    if schedule is None or schedule.random:
        return len(here)
    elsewhere = [learner for learner, host in enumerate(hosts) if host != hosts[rank]]
    return sum(any((W[elsewhere, learner] != 0).any() for W in schedule.matrices) for learner in here)


def connect(
    learners: Sequence[tuple[str, str, int]],
    timeout: float,
    on_peer_loss: str,
    link_mbit: float = 0.0,
    schedule: Schedule | None = None,
) -> None:
    """Serve, with neighbours at `learners`: (host, ip, port) of each. The rest is as `start` takes it."""
    global _started
    key = collectives.gather_by_horovod(os.urandom(32) if hvd.rank() == 0 else None, "gossip.native.key")[0]
    rate = 1e6 / 8 * link_mbit / max(1, senders([host for host, *_ in learners], hvd.rank(), schedule))
    library.start(hvd.rank(), learners, key, timeout, on_peer_loss == "degrade", rate)
    _started = (timeout, on_peer_loss, link_mbit)
    atexit.register(library.stop)


def _address() -> str:
    """The IPv4 address of Horovod's interface, or else of this host's name."""
    names = [name for name in os.environ.get("HOROVOD_GLOO_IFACE", "").split(",") if name]
    for name in names:
        for address in psutil.net_if_addrs().get(name, []):
            if address.family == socket.AF_INET:
                return address.address
    if names:
        raise UserError(
            f"native exchange: HOROVOD_GLOO_IFACE={','.join(names)}: no such interface with an IPv4 address"
        )
    if hvd.size() == hvd.local_size():
        return "127.0.0.1"
    ip = socket.gethostbyname(socket.gethostname())
    if ip.startswith("127."):
        raise UserError(
            f"native exchange: this host's name {socket.gethostname()} resolves to {ip}, where other hosts cannot "
            "reach it; set HOROVOD_GLOO_IFACE to the interface that joins the hosts"
        )
    return ip
