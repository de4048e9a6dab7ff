"""Where a learner of a running job receives those who ask for a place, and what it makes of what they say."""

import socket
from typing import Any

from tfdgan import distributed
from tfdgan.distributed import collectives, job
from tfdgan.errors import UserError
from tfdgan.gossip.native import addresses, bootstrap, library, security

_KINDS = {"host": str, "machine": str, "door": str, "seals": bool, "process": str}  # of what a learner says of itself


def listen(settings: bootstrap.Settings) -> tuple[socket.socket, tuple[str, int]]:
    """(a socket that listens, where the others reach it); given ports are those after the ports of the exchange.

    Raises:
      UserError: the port is taken, or the address is none of this host.
    """
    past = job.local_size()
    asked = addresses.to_listen_on(settings.gossip_listen, past)
    family = socket.AF_INET6 if ":" in asked.host else socket.AF_INET
    try:
        listener = socket.create_server((asked.host, asked.port), family=family, backlog=64)
    except OSError as error:
        raise UserError(
            f"--gossip_listen: no lobby for those who join at {asked.host} port {asked.port} ({error})"
        ) from error
    place = addresses.to_announce(asked._replace(port=listener.getsockname()[1]), settings.gossip_advertise, past)
    return listener, (place.host, place.port)


def encrypts(machine: str, seals: bool) -> bool:
    """Whether what a guest is told has to be encrypted, as the exchange with it will be.

    Args:
      machine: the guest's, as `addresses.machine` has it.
      seals: whether the guest has OpenSSL.

    Raises:
      UserError: it has to be, and one of both cannot.
    """
    running = bootstrap.running()
    mine, asked = running.learners[distributed.rank()], running.settings.wire_security
    seal = security.between(asked, machine == mine["machine"], mine["seals"] and seals)
    if asked == "encrypted" and seal != security.ENCRYPTED:
        raise UserError("--wire_security=encrypted: this process was set up without OpenSSL's headers")
    return seal == security.ENCRYPTED


def usable(learner: Any) -> dict[str, Any]:
    """Where a guest listens, its address in digits: learners shall not have to look it up while they train.

    Raises:
      UserError: it says so in another way than learners do, or names a host without an address.
    """
    said = learner if isinstance(learner, dict) else {}
    pairs = {name: _pair(name, said.get(name)) for name in ("place", "lobby")}
    for name, kind in _KINDS.items():
        if type(said.get(name)) is not kind:
            raise _another_way(name, said.get(name))
    host, port = pairs["place"]
    address = addresses.resolved(addresses.Endpoint(host, port), distributed.rank())
    return {**{name: said[name] for name in _KINDS}, **pairs, "place": (address, port)}


def _pair(name: str, value: Any) -> tuple[str, int]:
    if isinstance(value, list | tuple) and [type(part) for part in value] == [str, int] and 0 < value[1] < 1 << 16:
        return value[0], value[1]
    raise _another_way(name, value)


def _another_way(name: str, value: Any) -> UserError:
    return UserError(
        f"--join: {name}={repr(value)[:80]} is nothing that a learner of this job says; install the job's tfdgan"
    )


def note_end(rank: int, process: str) -> list[tuple[str, int]]:
    """Take a supervisor's word that a learner's process has ended; returns `lobbies`.

    Another process may have the place by now.
    """
    if rank != distributed.rank() and 0 <= rank < job.size():
        if bootstrap.running().learners[rank].get("process") == process:
            library.has_ended(rank, "is gone (its process has ended, as its supervisor says)")
    return lobbies()


def lobbies() -> list[tuple[str, int]]:
    """(host, port) of each lobby of the learners that live."""
    learners = bootstrap.running().learners
    return [learners[rank]["lobby"] for rank in collectives.ranks() if "lobby" in learners[rank]]
