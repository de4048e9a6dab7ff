"""Links by the kernel's own `netem`: pairs of devices, joined by a bridge in the keeper's namespace.

Untested: written for kernels that have netem, which the machine it was written on has not.
"""

import json
import subprocess

from tools.network import namespaces

_SMALLEST_FRAMES = 4  # netem's limit counts frames, of which many are acknowledgements: so many times the bytes' worth


def available():
    """Whether the kernel takes it, tried on the loopback of the namespace this process is in."""
    added = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"], capture_output=True)
    if added.returncode == 0:
        namespaces.run("tc", "qdisc", "del", "dev", "lo", "root")
    return added.returncode == 0


def discipline(rate, hold, queue, mtu):
    """The words of `tc` for one direction of a link: bit/s, seconds, bytes. `limit` holds queue and wire."""
    limit = int(_SMALLEST_FRAMES * (queue + rate / 8 * hold) / mtu) + 1
    return f"netem delay {hold * 1e6:.0f}us rate {rate:.0f}bit limit {limit}".split()


class Bridge:
    """The learners' side of a pair of devices is the way up, the bridge's the way down."""

    def __init__(self, learners, mtu):
        self._learners, self._mtu = learners, mtu
        namespaces.run("ip", "link", "add", "bridge", "type", "bridge")
        namespaces.run("ip", "link", "set", "bridge", "mtu", str(mtu), "up")
        for rank in range(learners):
            peer = ["peer", "name", namespaces.DEVICE, "netns", namespaces.name(rank)]
            namespaces.run("ip", "link", "add", f"port{rank}", "type", "veth", *peer)
            namespaces.run("ip", "link", "set", f"port{rank}", "mtu", str(mtu), "master", "bridge", "up")
            # What the kernel has not cut into segments yet would be one frame of 64 KiB to netem.
            device = ["link", "set", namespaces.DEVICE, "gso_max_segs", "1"]
            namespaces.run("ip", "-n", namespaces.name(rank), *device)

    def set(self, links):
        """[(bit/s, seconds, bytes of queue)], the same both ways."""
        for rank, link in enumerate(links):
            words = discipline(*link, self._mtu)
            for where in _directions(rank):
                namespaces.run("tc", *where[0], "qdisc", "replace", *where[1], "root", *words)

    def report(self):
        """Frames passed on and dropped since the links were first set."""
        found = [_counts(where) for rank in range(self._learners) for where in _directions(rank)]
        return {"frames": sum(c["packets"] for c in found[1::2]), "dropped": sum(c["drops"] for c in found)}


def _directions(rank):
    """The words that say where to `tc`, for the way up and the way down: (namespace, device)."""
    return (["-n", namespaces.name(rank)], ["dev", namespaces.DEVICE]), ([], ["dev", f"port{rank}"])


def _counts(where):
    return json.loads(namespaces.run("tc", *where[0], "-s", "-j", "qdisc", "show", *where[1]))[0]
