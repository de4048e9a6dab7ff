"""A connection between two processes of a job, outside the exchange: each value in a frame that the job's key seals.

    who         sends                                                           sealed by
    listener    32 random bytes                                                 nothing
    caller      a frame: what it says of itself, with 32 random bytes           the key, and the listener's bytes
    both        frames: values                                                  the key of this connection

A frame is its length (4 bytes, little-endian), an HMAC-SHA256, and what `messages.encode` makes of a value, encrypted
where both sides can. The key of a connection is the HMAC of both random numbers under the job's key; the HMAC of a
frame covers the direction and the frame's number too.
"""

import contextlib
import hmac
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from tfdgan.distributed import messages

GREETING = 5.0  # seconds in which a greeting has to be there
_NONCE, _TAG = 32, 32
_MOST_OF_A_STRANGER, _MOST = 4096, 64 << 20  # bytes of a frame
_PATIENCE = 900.0  # seconds for the other side to take a frame: hosts may compile the exchange first
_SILENCE = 30  # seconds after which a machine that answers nothing counts as gone


class Cipher(Protocol):
    """One direction of a connection: authenticated encryption under a key of its own."""

    def seal(self, number: int, body: bytes) -> bytes:
        """The body of frame `number`, encrypted."""

    def open(self, number: int, sealed: bytes) -> bytes:
        """What `seal` was given. Raises `ValueError` if this is none of its results."""


MakeCipher = Callable[[bytes, bool], Cipher]  # of a key of 32 bytes, and whether it seals or opens


class Line:
    """One connection to the other side, whose frames are sealed."""

    def __init__(self, connection: socket.socket, key: bytes, sends: bytes, receives: bytes) -> None:
        self.connection, self._key = connection, key
        self._sends, self._receives, self._sent, self._received = sends, receives, 0, 0
        self._seals: Cipher | None = None
        self._opens: Cipher | None = None

    def encrypt(self, make: MakeCipher) -> None:
        """Encrypt all frames from now on; the other side does so at the same point."""
        self._seals = make(hmac.digest(self._key, b"tfdgan cipher " + self._sends, "sha256"), True)
        self._opens = make(hmac.digest(self._key, b"tfdgan cipher " + self._receives, "sha256"), False)

    def send(self, value: Any) -> None:
        """Send a value that `messages.encode` takes. Raises `OSError` if the other side does not take it."""
        body = messages.encode(value)
        if self._seals:
            body = self._seals.seal(self._sent, body)
        tag = _tag(self._key, self._sends, self._sent, body)
        self.connection.settimeout(_PATIENCE)
        self.connection.sendall(len(body).to_bytes(4, "little") + tag)
        self.connection.sendall(body)
        self._sent += 1

    def receive(self, seconds: float, most: int = _MOST) -> Any:
        """The next value. Raises `OSError` if none comes in time, `ValueError` if a frame is none of the other's."""
        until = time.monotonic() + seconds
        count = int.from_bytes(exactly(self.connection, 4, until), "little")
        if count > most:
            raise ValueError(f"a frame of {count} bytes")
        tag, body = exactly(self.connection, _TAG, until), exactly(self.connection, count, until)
        if not hmac.compare_digest(tag, _tag(self._key, self._receives, self._received, body)):
            raise ValueError("a frame that the key does not fit")
        if self._opens:
            body = self._opens.open(self._received, body)
        self._received += 1
        return messages.decode(body)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


def greeted(connection: socket.socket, key: bytes) -> tuple[dict[str, Any], Line]:
    """The listener's part: (what the caller says of itself, the line to it).

    Raises:
      OSError, ValueError: who calls is none of the job's.
    """
    connection.settimeout(GREETING)
    _watch(connection)
    nonce = os.urandom(_NONCE)
    connection.sendall(nonce)
    said = Line(connection, _hello(key, nonce), b"", b"hello").receive(GREETING, _MOST_OF_A_STRANGER)
    if not isinstance(said, dict) or not isinstance(said.get("nonce"), bytes):
        raise ValueError("a greeting of another kind")
    return said, Line(connection, _session(key, nonce, said["nonce"]), b"down", b"up")


def connected(host: str, port: int, opening: int = 0) -> tuple[socket.socket, bytes, bytes]:
    """The caller's part: (a connection, the first `opening` bytes that come, the listener's random bytes).

    A router that forwards a port takes a connection for a listener that is not there, and says nothing.
    """
    connection = socket.create_connection((host, port), timeout=GREETING)
    try:
        _watch(connection)
        until = time.monotonic() + GREETING
        return connection, exactly(connection, opening, until), exactly(connection, _NONCE, until)
    except OSError:
        connection.close()
        raise


def introduced(connection: socket.socket, nonce: bytes, key: bytes, said: dict[str, Any]) -> Line:
    """Say who calls; the line to the listener."""
    mine = os.urandom(_NONCE)
    Line(connection, _hello(key, nonce), b"hello", b"").send({**said, "nonce": mine})
    return Line(connection, _session(key, nonce, mine), b"up", b"down")


def exactly(connection: socket.socket, count: int, until: float) -> bytes:
    """The next `count` bytes. Raises `OSError` if the connection ends, or they are not there in time."""
    found = bytearray()
    while len(found) < count:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        more = connection.recv(min(count - len(found), 1 << 20))
        if not more:
            raise OSError("the connection has ended")
        found += more
    return bytes(found)


def has_ended(connection: socket.socket) -> bool:
    """True if the other side has closed, or said something that nobody waits for."""
    return bool(select.select([connection], [], [], 0)[0])


def _watch(connection: socket.socket) -> None:
    """Notice a machine that has vanished, also while nothing is said."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_USER_TIMEOUT", 1000 * _SILENCE)):
        if number := getattr(socket, name, None):
            with contextlib.suppress(OSError):  # of another family
                connection.setsockopt(socket.IPPROTO_TCP, number, value)


def _hello(key: bytes, nonce: bytes) -> bytes:
    return hmac.digest(key, nonce, "sha256")


def _session(key: bytes, nonce: bytes, other: bytes) -> bytes:
    return hmac.digest(key, b"tfdgan line" + nonce + other, "sha256")


def _tag(key: bytes, direction: bytes, number: int, body: bytes) -> bytes:
    return hmac.digest(key, direction + number.to_bytes(8, "little") + body, "sha256")
