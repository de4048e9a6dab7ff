"""Interfaces, and the host's own name."""

import socket
from collections.abc import Mapping, Sequence

import psutil

from tfdgan.cli.doctor.finding import TOGETHER, Finding, Status, Way
from tfdgan.cli.doctor.fresh import Outcome

_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def addresses() -> dict[str, list[str]]:
    """{interface: its IP addresses, in digits} of this host."""
    known = psutil.net_if_addrs()
    return {name: [one.address for one in known[name] if one.family in _FAMILIES] for name in known}


def interfaces(known: Mapping[str, Sequence[str]]) -> Finding:
    """Whether there is an interface beside loopback, by which other hosts are reached."""
    outward = {name: [one for one in ips if _is_outward(one)] for name, ips in known.items()}
    outward = {name: ips for name, ips in outward.items() if ips}
    if outward:
        said = ", ".join(f"{name} {ips[0]}" for name, ips in sorted(outward.items()))
        return Finding(Status.OK, "network", f"network: {said}")
    if any(known.values()):
        text = "network: loopback alone, so all learners must be on this host"
        return Finding(Status.NOTE, "network", text)
    text = "network: no interface has an address, not even loopback"
    return Finding(Status.MISSING, "network", text, "ip link set lo up", TOGETHER)


def name(host: str, tried: Outcome) -> Finding:
    """Whether the host's own name has an address, which Horovod's learners take.

    Args:
      tried: what probe_name.py has told.
    """
    address = tried.facts.get("address")
    if address is None:
        text = f"host name: {host} has no address ({tried.fault}), and Horovod's learners end at once"
        mend = f'echo "127.0.1.1 {host}" >> /etc/hosts'
        return Finding(Status.BROKEN, "host name", text, mend, frozenset({Way.HOROVODRUN}))
    if address.startswith("127."):
        text = f"host name: {host} is {address}; with several hosts, name the interface that joins them"
        mend = "export HOROVOD_GLOO_IFACE=INTERFACE, or --gossip_advertise=HOST:PORT"
        return Finding(Status.NOTE, "host name", text, mend)
    return Finding(Status.OK, "host name", f"host name: {host} is {address}")


def _is_outward(ip: str) -> bool:
    """True unless the address ends at this host or at this link."""
    return not (ip.startswith(("127.", "fe80:")) or ip == "::1")
