"""Where learners listen, what the others are told, and which of them share a machine."""

import os
import re
import socket
from typing import NamedTuple

import psutil

from tfdgan.distributed import job
from tfdgan.errors import UserError

_ENDPOINT = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]]*):(?P<port>\d+)")


class Endpoint(NamedTuple):
    """A host, by name or address, and a port."""

    host: str
    port: int


def endpoint(flag: str, value: str) -> Endpoint:
    """What a flag's HOST:PORT says; an IPv6 address stands in brackets.

    Raises:
      UserError: it is none.
    """
    found = _ENDPOINT.fullmatch(value)
    if not found or not 0 < int(found["port"]) < 1 << 16:
        raise UserError(f"--{flag}={value}: give HOST:PORT, such as 10.0.0.5:7000 or [fd00::5]:7000")
    host = found["host"].strip("[]")
    try:
        host.encode("idna")  # as Python does to look a name up
    except UnicodeError as error:
        raise UserError(f"--{flag}={value}: no host has such a name; give HOST:PORT") from error
    return Endpoint(host, int(found["port"]))


def to_listen_on(listen: str, past: int = 0) -> Endpoint:
    """Where this learner listens: at `--gossip_listen`, `past` ports later, else at any port of Horovod's interface.

    The learners of a host take the port that is given and those after it, by local rank. Without a host it is the
    address of Horovod's interface.
    """
    if not listen:
        return Endpoint(of_interface(), 0)
    given = endpoint("gossip_listen", listen)
    return Endpoint(_in_digits("gossip_listen", given.host) if given.host else of_interface(), _mine(given.port + past))


def to_announce(listening: Endpoint, advertise: str, past: int = 0) -> Endpoint:
    """Where the others find this learner: at `--gossip_advertise`, `past` ports later, else where it listens."""
    if advertise:
        given = endpoint("gossip_advertise", advertise)
        if not given.host:
            raise UserError(f"--gossip_advertise={advertise}: name the host by which other learners reach this one")
        return Endpoint(given.host, _mine(given.port + past))
    everywhere = listening.host in ("0.0.0.0", "::")
    return Endpoint(of_interface() if everywhere else listening.host, listening.port)


def resolved(place: Endpoint, rank: int) -> str:
    """The address, in digits, of the place that learner `rank` announced. Raises `UserError` if there is none."""
    try:
        return _first_address(place.host)
    except (OSError, UnicodeError) as error:  # such as a..b
        raise UserError(
            f"native exchange: learner {rank} is at {place.host}, which has no address here ({error}); see its "
            "--gossip_advertise"
        ) from error


def machine() -> str:
    """What two learners have in common if, and only if, they share a kernel and its network: a boot and a namespace."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/net')}"
    except OSError:  # no Linux, or no /proc
        return socket.gethostname()


def of_interface() -> str:
    """The address of Horovod's interface, IPv4 if it has one, or else of this host's name.

    Of learners who have met without Horovod: by which they reached each other.
    """
    names = [name for name in os.environ.get("HOROVOD_GLOO_IFACE", "").split(",") if name]
    known = psutil.net_if_addrs()
    for family in (socket.AF_INET, socket.AF_INET6):
        for name in names:
            for address in known.get(name, []):
                if address.family == family:
                    return address.address
    if names:
        raise UserError(f"native exchange: HOROVOD_GLOO_IFACE={','.join(names)}: no such interface with an IP address")
    if job.size() == job.local_size():
        return "127.0.0.1"
    if met := job.met_at():
        return met
    ip = socket.gethostbyname(socket.gethostname())
    if ip.startswith("127."):
        raise UserError(
            f"native exchange: this host's name {socket.gethostname()} resolves to {ip}, where other hosts cannot "
            "reach it; set HOROVOD_GLOO_IFACE to the interface that joins the hosts, or give --gossip_advertise"
        )
    return ip


def _mine(port: int) -> int:
    if port + job.local_rank() >= 1 << 16:
        raise UserError(f"port {port}: the {job.local_rank() + 1}th learner of this host would have a port above 65535")
    return port + job.local_rank()


def _in_digits(flag: str, host: str) -> str:
    try:
        return _first_address(host)
    except OSError as error:
        raise UserError(f"--{flag}: {host} has no address ({error})") from error


def _first_address(host: str) -> str:
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
