"""Network namespaces: making them, going into them, and a learner's device and addresses."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import struct
import subprocess
import threading

from tfdgan.errors import UserError

DEVICE = "eth0"
NETWORK = "10.0.0.0/24"
FOLDER = "/run/netns"  # where `ip netns` has names
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, <sched.h>
_SET_INTERFACE, _TAP, _NO_INFORMATION = 0x400454CA, 2, 0x1000  # TUNSETIFF, IFF_TAP, IFF_NO_PI, <linux/if_tun.h>
_LIBC = ctypes.CDLL(None, use_errno=True)


def name(rank):
    """A learner's namespace and its host name."""
    return f"learner{rank}"


def address(rank):
    return f"10.0.0.{rank + 1}"


def hardware_address(rank):
    """Locally administered, ending with the rank."""
    return f"02:00:00:00:{rank >> 8:02x}:{rank & 255:02x}"


def run(*command, text=None):
    """A command of the system that must succeed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def _set_namespace(descriptor):
    if _LIBC.setns(descriptor, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def inside(path):
    """This thread in the network namespace at a path: sockets and devices opened here stay there."""
    own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    other = os.open(path, os.O_RDONLY)
    try:
        _set_namespace(other)
        try:
            yield
        finally:
            _set_namespace(own)
    finally:
        os.close(own)
        os.close(other)


def add(rank):
    """The namespace of a learner; no device yet but loopback."""
    run("ip", "netns", "add", name(rank))
    run("ip", "-n", name(rank), "link", "set", "lo", "up")
    with inside(f"{FOLDER}/{name(rank)}"):
        tell_kernel("ipv6/conf/all/disable_ipv6", 1)
        tell_kernel("ipv6/conf/default/disable_ipv6", 1)
        # Else a connection begins with what earlier ones to the same address came to: runs would depend on their order.
        tell_kernel("ipv4/tcp_no_metrics_save", 1)


def tell_kernel(setting, value):
    """Set a sysctl of the network namespace this thread is in."""
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        pathlib.Path("/proc/sys/net", setting).write_text(f"{value}\n")


def open_tap(rank):
    """A descriptor of a new TAP device in a learner's namespace: reads give the frames that the learner sends."""
    with inside(f"{FOLDER}/{name(rank)}"):
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, _SET_INTERFACE, struct.pack("16sH22x", DEVICE.encode(), _TAP | _NO_INFORMATION))
    return tap


def set_up_device(rank, learners, mtu):
    """Addresses and neighbours of a learner's device. There is no route but to them, and nobody need be asked for."""
    lines = [f"link set {DEVICE} address {hardware_address(rank)} mtu {mtu}"]
    lines += [f"address add {address(rank)}/24 dev {DEVICE} noprefixroute", *lines_up(rank, learners)]
    run("ip", "-n", name(rank), "-batch", "-", text="\n".join(lines))


def lines_up(rank, learners):
    """What `ip` is told when a learner's device comes up, as a device that went down has forgotten it."""
    lines = [f"link set {DEVICE} up"]
    # CUBIC is Linux's default, which most machines that are joined by such links use. BBR, which some have, paces by
    # clocks of its own and drains its queue every ten seconds: figures would vary with it. Told to the route, as a
    # namespace may set the sysctl only to what the host allows its users.
    lines += [f"route add {NETWORK} dev {DEVICE} src {address(rank)} congctl lock cubic"]
    lines += [
        f"neighbour add {address(other)} lladdr {hardware_address(other)} dev {DEVICE} nud permanent"
        for other in range(learners)
        if other != rank
    ]
    return lines


def set_windows(rank, window):
    """How much TCP may have under way: at least Linux's defaults, and what the links need, twice (buffers hold more
    than data)."""
    with inside(f"{FOLDER}/{name(rank)}"):
        tell_kernel("ipv4/tcp_rmem", f"4096 131072 {max(6 << 20, 2 * window)}")
        tell_kernel("ipv4/tcp_wmem", f"4096 16384 {max(4 << 20, 2 * window)}")
