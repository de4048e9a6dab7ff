"""Starting the native exchange: everybody listens, and Horovod tells everybody where, once."""

import atexit
import os
import socket

import horovod.tensorflow as hvd
import psutil
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip.native import library

_started = None  # the options it was started with


def start(timeout=60.0, on_peer_loss="fail", link_mbit=0.0, schedule=None):
    """Start the exchange on every learner together; a second call with the same options does nothing.

    The job's key is drawn by learner 0 and travels over Horovod's own connections, which are not encrypted; it
    keeps strangers out, not those who read or change what passes on the network.

    Args:
      timeout: seconds without a sign after which a neighbour counts as late.
      on_peer_loss: "fail": a lost neighbour is an error; "degrade": its weight goes back to self.
      link_mbit: Mbit/s that this host's link sends. Those of its learners that have neighbours on other hosts have
        equal parts, and each sends there at no more than its part, its busy connections sharing it. TCP finds a rate by
        overflowing the queue before the link, and the acknowledgements that wait in it hold up the other way's data
        (Zhang, Shenker and Clark 1991). 0: left to TCP.
      schedule: the `Schedule` that says who is a neighbour; without one, everybody may be.
    """
    if _started is None:
        try:
            mine = listen()
        except (UserError, OSError) as error:  # the others wait to hear of it
            mine = error
        learners = announce(mine)
        for rank, learner in enumerate(learners):
            if isinstance(learner, Exception):
                raise UserError(f"learner {rank}: {learner}")
        connect(learners, timeout, on_peer_loss, link_mbit, schedule)
    elif _started != (timeout, on_peer_loss, link_mbit):
        asked = (timeout, on_peer_loss, link_mbit)
        raise UserError(
            f"native exchange: (timeout, on_peer_loss, link_mbit) {asked}: it runs already, with {_started}"
        )


def is_started():
    return _started is not None


def start_if_needed():
    """Start with the default options unless it runs already."""
    if _started is None:
        start()


def listen():
    """Listen on Horovod's interface; returns this learner's (host, ip, port)."""
    ip = _address()
    return socket.gethostname(), ip, library.listen(ip)


def announce(mine):
    """What each learner gave, on every learner."""
    with tf.init_scope():
        return hvd.allgather_object(mine, name="tfdgan.gossip.native.learners")


def senders(hosts, rank, schedule=None):
    """How many learners of `rank`'s host have a neighbour on another host, at some step of a schedule.

    `hosts`: each learner's. Under a random schedule, or without one, everybody may be anybody's neighbour.
    """
    here = [learner for learner, host in enumerate(hosts) if host == hosts[rank]]
    if schedule is None or schedule.random:
        return len(here)
    elsewhere = [learner for learner, host in enumerate(hosts) if host != hosts[rank]]
    return sum(any((W[elsewhere, learner] != 0).any() for W in schedule.matrices) for learner in here)


def connect(learners, timeout, on_peer_loss, link_mbit=0.0, schedule=None):
    """Serve, with neighbours at `learners`: (host, ip, port) of each. The rest is as `start` takes it."""
    global _started
    with tf.init_scope():
        key = hvd.broadcast_object(os.urandom(32), root_rank=0, name="tfdgan.gossip.native.key")
    rate = 1e6 / 8 * link_mbit / max(1, senders([host for host, *_ in learners], hvd.rank(), schedule))
    library.start(hvd.rank(), learners, key, timeout, on_peer_loss == "degrade", rate)
    _started = (timeout, on_peer_loss, link_mbit)
    atexit.register(library.stop)


def _address():
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
