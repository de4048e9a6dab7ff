"""The compiled library, as Python sees it: the ops, and the C functions of process.cc."""

import ctypes
import functools
import hmac
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip.native import build

_ERROR = 512  # bytes for an error's text
_HMAC = ctypes.CFUNCTYPE(
    ctypes.c_int,
    *(ctypes.POINTER(ctypes.c_ubyte), ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_ubyte)),
)


class Learner(NamedTuple):
    """A learner as another one sees it."""

    host: str  # for errors
    ip: str
    port: int
    is_here: bool  # on the same machine
    security: int  # of frames between the two, one of those of `security.py`
    door: str = ""  # by which memory is shared with it; "": by the network
    is_absent: bool = False  # lost from the start, until `readmit`


@functools.cache
def ops() -> Any:
    """The ops' Python functions; the library is compiled on first use. Raises `UserError` if that cannot be."""
    path = build.build()
    try:
        return tf.load_op_library(path)
    except tf.errors.NotFoundError as error:
        raise UserError(f"native exchange: {path} does not load ({error}); remove it to build it anew") from error


@functools.cache
def functions() -> ctypes.CDLL:
    """The C functions, with their types."""
    ops()
    library = ctypes.CDLL(build.library_path())
    strings, text, size, number = ctypes.POINTER(ctypes.c_char_p), ctypes.c_char_p, ctypes.c_int, ctypes.c_ulonglong
    real, sizes = ctypes.c_double, ctypes.POINTER(ctypes.c_int)
    types: dict[str, tuple[Any, list[Any]]] = {
        "tfdgan_load_crypto": (size, [text, text, size]),
        "tfdgan_use_hmac": (None, [_HMAC]),
        "tfdgan_listen": (size, [text, size, size, text, text, size]),
        "tfdgan_start": (
            size,
            [
                *(size, size, strings, strings),
                *(sizes, sizes, sizes, strings, sizes),
                *(text, real, real, size, number, text, size),
            ],
        ),
        "tfdgan_stop": (None, []),
        "tfdgan_counters": (None, [ctypes.POINTER(number)]),
        "tfdgan_lost": (size, [text, size]),
        "tfdgan_send_letter": (size, [size, number, text, number, text, size]),
        "tfdgan_take_letter": (ctypes.c_longlong, [size, number, ctypes.c_double]),
        "tfdgan_read_letter": (None, [ctypes.c_void_p]),
        "tfdgan_silent_for": (ctypes.c_double, [size]),
        "tfdgan_pulse": (None, [size]),
        "tfdgan_give_up": (None, [size, text]),
        "tfdgan_has_ended": (None, [size, text]),
        "tfdgan_serve": (None, []),
        "tfdgan_readmit": (size, [size, text, text, size, size, size, text, number, text, size]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@functools.cache
def can_seal() -> bool:
    """True if frames can be encrypted and authenticated here. Either way the functions for proofs are in place."""
    path = build.build_sealing()
    if path:
        error = ctypes.create_string_buffer(_ERROR)
        if functions().tfdgan_load_crypto(path.encode(), error, _ERROR):
            raise UserError(f"native exchange: {path} does not load ({error.value.decode()}); remove it to build anew")
        return True
    functions().tfdgan_use_hmac(_hmac)
    return False


@_HMAC
def _hmac(key: Any, message: Any, count: int, digest: Any) -> int:
    """HMAC-SHA256 by Python's own library, for proofs where OpenSSL's headers are missing."""
    found = hmac.digest(bytes(key[:32]), ctypes.string_at(message, count), "sha256")
    ctypes.memmove(digest, found, len(found))
    return 1


def listen(ip: str, port: int = 0, shares: bool = False) -> tuple[int, str]:
    """Listen on an address from now on; port 0: any. Returns the port and the name of a door.

    By the door come learners of this host, if this one `shares` memory with them; "" if there is none.
    """
    can_seal()
    door, error = ctypes.create_string_buffer(_ERROR), ctypes.create_string_buffer(_ERROR)
    port = functions().tfdgan_listen(ip.encode(), port, int(shares), door, error, _ERROR)
    if port < 0:
        raise UserError(f"native exchange: {error.value.decode()}")
    return port, door.value.decode()


_hosts: list[str] = []


def start(
    rank: int,
    learners: Sequence[Learner],
    key: bytes,
    timeout: float,
    degrade: bool,
    rate: float = 0.0,
    memory: int = 256 << 20,
) -> None:
    """Serve mixes.

    Args:
      rank: this learner's.
      learners: all of the job, by rank.
      key: the job's 32 random bytes.
      timeout: seconds without a sign of a neighbour after which it counts as late.
      degrade: whether the weight of a lost neighbour goes back to self; else a loss is an error.
      rate: bytes/s at which to send to other hosts, in all; 0: as fast as TCP does.
      memory: bytes that may have come and wait to be mixed.
    """
    global _hosts
    hosts, ips, ports, are_here, securities, doors, absent = zip(*learners, strict=True)
    _hosts = list(hosts)
    size, error = len(learners), ctypes.create_string_buffer(_ERROR)
    failed = functions().tfdgan_start(
        *(rank, size),
        (ctypes.c_char_p * size)(*(host.encode() for host in hosts)),
        (ctypes.c_char_p * size)(*(ip.encode() for ip in ips)),
        *((ctypes.c_int * size)(*numbers) for numbers in (ports, are_here, securities)),
        (ctypes.c_char_p * size)(*(door.encode() for door in doors)),
        (ctypes.c_int * size)(*absent),
        *(key, float(timeout), float(rate), int(degrade), memory, error, _ERROR),
    )
    if failed:
        raise UserError(f"native exchange: {error.value.decode()}")


def named(rank: int) -> str:
    """A learner with its host, for people."""
    return f"learner {rank} on {_hosts[rank]}" if _hosts else f"learner {rank}"


def stop() -> None:
    """Close all connections; mixes under way fail."""
    functions().tfdgan_stop()


def counters() -> dict[str, int]:
    """{name: int} of this learner since the start: bytes exchanged, by memory too; connections; errors; calls."""
    values = (ctypes.c_ulonglong * 6)()
    functions().tfdgan_counters(values)
    names = ("bytes_sent", "bytes_received", "connections_refused", "protocol_errors", "calls", "reconnections")
    return dict(zip(names, values, strict=True))


class Loss(NamedTuple):
    """Why a learner is lost: whether its process has ended, whether it lives and has given this learner up."""

    has_ended: bool
    gave_up: bool
    why: str


def losses() -> dict[int, Loss]:
    """{rank: loss} of the learners that this one has lost."""
    text = ctypes.create_string_buffer(1 << 16)
    functions().tfdgan_lost(text, len(text))
    lines = (line.split(" ", 2) for line in text.value.decode().splitlines())
    return {int(rank): Loss(kind == "1", kind == "2", why) for rank, kind, why in lines}


def lost() -> dict[int, str]:
    """{rank: why} of the learners that this one has lost."""
    return {rank: loss.why for rank, loss in losses().items()}


def send_letter(rank: int, number: int, body: bytes) -> None:
    """Send bytes to a learner, apart from mixes. Returns at once. Raises `UserError` if they are too many."""
    error = ctypes.create_string_buffer(_ERROR)
    if functions().tfdgan_send_letter(rank, number, body, len(body), error, _ERROR):
        raise UserError(f"native exchange: {error.value.decode()}")


def take_letter(rank: int, number: int, seconds: float) -> bytes | None:
    """The bytes that a learner sent under `number`, or None if they have not come in time."""
    count = functions().tfdgan_take_letter(rank, number, seconds)
    if count < 0:
        return None
    body = ctypes.create_string_buffer(max(count, 1))
    functions().tfdgan_read_letter(body)
    return body.raw[:count]


def silent_for(rank: int) -> float | None:
    """Seconds since a learner's process gave a sign of life; None before it was connected."""
    seconds = functions().tfdgan_silent_for(rank)
    return None if seconds < 0 else seconds


def pulse(rank: int) -> None:
    """Give a learner a sign of life now, for which it is connected if need be."""
    functions().tfdgan_pulse(rank)


def give_up(rank: int, why: str) -> None:
    """Treat a learner as lost from now on, and tell it."""
    functions().tfdgan_give_up(rank, why.encode())


def has_ended(rank: int, why: str) -> None:
    """Treat a learner as lost from now on: its process has ended, as somebody knows who watches it."""
    functions().tfdgan_has_ended(rank, why.encode())


def readmit(rank: int, learner: Learner, first: int) -> None:
    """Take in a lost or absent learner again, as another process; all learners call it between the same mixes.

    Args:
      rank: its place.
      learner: as this learner sees it.
      first: the number of the next mix on every channel, above all so far.
    """
    error = ctypes.create_string_buffer(_ERROR)
    host, ip, port, is_here, seal, door, _ = learner
    named = (host.encode(), ip.encode(), port, int(is_here), seal, door.encode())
    if functions().tfdgan_readmit(rank, *named, first, error, _ERROR):
        raise UserError(f"native exchange: {error.value.decode()}")
    _hosts[rank] = host


def serve() -> None:
    """Take in learners that dial, from now on if others were absent at the start."""
    functions().tfdgan_serve()
