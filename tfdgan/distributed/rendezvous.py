"""Meeting without a launcher: every learner calls on learner 0, which passes on what each of them says.

It carries the few values that learners compare before the exchange stands; after that nobody needs learner 0 for it.

    who            sends                                                           sealed by
    learner 0      32 random bytes                                                 nothing
    learner        a frame: {"rank", "size", "nonce": 32 random bytes}             the key of the file
    learner 0      a frame: why the learner is not welcome, or None                the key of this connection
    learner        a frame: a value                                                the key of this connection
    learner 0      a frame: the values of all                                      the key of this connection

A frame is its length (4 bytes, little-endian), an HMAC-SHA256, and what `messages.encode` makes of a value. The key of
a connection is the HMAC of both random numbers under the file's key; the HMAC of a frame covers the direction and the
frame's number too. Without a file that key is empty: whoever reaches learner 0 may then take a place.
"""

import contextlib
import hmac
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from tfdgan.distributed import messages
from tfdgan.errors import LocalFault, UserError

_NONCE, _TAG = 32, 32
_MOST_OF_A_STRANGER, _MOST = 4096, 64 << 20  # bytes of a frame
_GREETING = 5.0  # seconds in which a greeting has to be there
_AT_ONCE = 32  # greetings
_MEETING, _ANSWER = 600.0, 900.0  # seconds to wait for everybody, and for a value: hosts may compile the exchange first
_SAY_EVERY = 10.0


class _Line:
    """One connection to the other side, whose frames are sealed."""

    def __init__(self, connection: socket.socket, key: bytes, sends: bytes, receives: bytes) -> None:
        self.connection, self._key = connection, key
        self._sends, self._receives, self._sent, self._received = sends, receives, 0, 0

    def send(self, value: Any) -> None:
        body = messages.encode(value)
        tag = _tag(self._key, self._sends, self._sent, body)
        self.connection.settimeout(_ANSWER)
        self.connection.sendall(len(body).to_bytes(4, "little") + tag + body)
        self._sent += 1

    def receive(self, seconds: float, most: int = _MOST) -> Any:
        """The next value. Raises `OSError` if none comes in time, `ValueError` if a frame is none of the other's."""
        until = time.monotonic() + seconds
        count = int.from_bytes(_exactly(self.connection, 4, until), "little")
        if count > most:
            raise ValueError(f"a frame of {count} bytes")
        tag, body = _exactly(self.connection, _TAG, until), _exactly(self.connection, count, until)
        if not hmac.compare_digest(tag, _tag(self._key, self._receives, self._received, body)):
            raise ValueError("a frame that the key does not fit")
        self._received += 1
        return messages.decode(body)

    def close(self) -> None:
        self.connection.close()


class Rendezvous:
    """The meeting of all learners of a job; making one returns when everybody is there.

    Args:
      host, port: learner 0's address, which learner 0 listens at (at all of its addresses, if the name is not its own).
      rank: this learner.
      size: number of learners.
      key: of the file that all have; b"" without one.
      say: takes a line about who is missing.

    Attributes:
      address: of this host, in digits, as the others see it.

    Raises:
      UserError: the address cannot be used, or the learner is not welcome there.
      LocalFault: somebody did not come in time.
    """

    def __init__(self, host: str, port: int, rank: int, size: int, key: bytes, say: Callable[[str], None]) -> None:
        self._where, self._rank, self._size, self._key, self._say = f"{host}:{port}", rank, size, key, say
        self.address = "127.0.0.1"
        self._lines: dict[int, _Line] = {}
        if rank == 0:
            self._receive_all(host, port)
        else:
            self._call(host, port)

    def gather(self, value: Any) -> list[Any]:
        """[value of each learner]: all learners call it together."""
        try:
            if self._rank:
                self._with(0, lambda line: line.send(value))
                return self._with(0, lambda line: line.receive(_ANSWER))
            values = [value, *(self._with(rank, lambda line: line.receive(_ANSWER)) for rank in range(1, self._size))]
            for rank in range(1, self._size):
                self._with(rank, lambda line: line.send(values))
            return values
        except LocalFault:
            self.close()  # the others need not wait for what will not come
            raise

    def close(self) -> None:
        """Leave: nobody needs the meeting any more."""
        for line in self._lines.values():
            line.close()

    def _with(self, rank: int, speak: Callable[[_Line], Any]) -> Any:
        """What `speak` says to, or hears from, a learner that must be there."""
        try:
            return speak(self._lines[rank])
        except (OSError, ValueError) as error:
            raise LocalFault(f"rendezvous: learner {rank} has left before training began ({error})") from error

    def _receive_all(self, host: str, port: int) -> None:
        """Take in everybody: learner 0's part."""
        listener = _listener(host, port, self._say)
        doors, taken = threading.BoundedSemaphore(_AT_ONCE), threading.Lock()
        until, spoke = time.monotonic() + _MEETING, time.monotonic()
        with listener:
            listener.settimeout(0.2)
            while missing := [rank for rank in range(1, self._size) if rank not in self._lines]:
                with contextlib.suppress(OSError):  # nobody has come, or has gone again, or too many files are open
                    connection, _ = listener.accept()
                    if doors.acquire(blocking=False):
                        threading.Thread(target=self._greet, args=(connection, taken, doors), daemon=True).start()
                    else:
                        connection.close()  # a learner calls again
                words = f"learner(s) {', '.join(map(str, missing))} of {self._size} at {self._where}"
                if time.monotonic() > until:
                    self.close()
                    raise LocalFault(f"rendezvous: {words} did not come in {_MEETING:g} s")
                if time.monotonic() - spoke > _SAY_EVERY:
                    self._say(f"waiting for {words}")
                    spoke = time.monotonic()
        self.address = next(
            (a for line in self._lines.values() if (a := _own_address(line)) != "127.0.0.1"), self.address
        )

    def _greet(self, connection: socket.socket, taken: threading.Lock, doors: threading.BoundedSemaphore) -> None:
        """Let a learner in, or turn a stranger away."""
        try:
            connection.settimeout(_GREETING)
            nonce = os.urandom(_NONCE)
            connection.sendall(nonce)
            hello = _Line(connection, hmac.digest(self._key, nonce, "sha256"), b"", b"hello")
            said = hello.receive(_GREETING, _MOST_OF_A_STRANGER)
            rank, size, theirs = said["rank"], said["size"], said["nonce"]
            line = _Line(connection, _session(self._key, nonce, theirs), b"down", b"up")
            with taken:
                problem = self._problem(rank, size)
                line.send(problem)
                if problem is None:
                    self._lines[rank] = line
                    return
        except (OSError, ValueError, TypeError, KeyError):
            pass
        finally:
            doors.release()
        connection.close()

    def _problem(self, rank: Any, size: Any) -> str | None:
        """Why a learner is not welcome; None if it is."""
        if size != self._size:
            return f"it was started with --learners={size}, learner 0 with --learners={self._size}"
        if type(rank) is not int or not 0 < rank < self._size:
            return f"--learner={rank}: learner 0 is here, and the others are 1 to {self._size - 1}"
        return f"--learner={rank}: is there already" if rank in self._lines else None

    def _call(self, host: str, port: int) -> None:
        """Call on learner 0 until it answers."""
        until, spoke = time.monotonic() + _MEETING, time.monotonic()
        while True:
            try:
                connection, nonce = _nonce_of(host, port)
                break
            except OSError as error:
                if time.monotonic() > until:
                    raise LocalFault(f"rendezvous: learner 0 is not at {self._where} ({error})") from error
                if time.monotonic() - spoke > _SAY_EVERY:
                    self._say(f"waiting for learner 0 at {self._where} ({error})")
                    spoke = time.monotonic()
                time.sleep(0.2)
        mine = os.urandom(_NONCE)
        line = _Line(connection, _session(self._key, nonce, mine), b"up", b"down")
        try:
            hello = _Line(connection, hmac.digest(self._key, nonce, "sha256"), b"hello", b"")
            hello.send({"rank": self._rank, "size": self._size, "nonce": mine})
            problem = line.receive(_GREETING)
        except (OSError, ValueError) as error:
            line.close()
            raise UserError(
                f"--rendezvous={self._where}: who answers there is no learner 0 with the same --wire_key_file ({error})"
            ) from error
        if problem is not None:
            line.close()
            raise UserError(f"--rendezvous={self._where}: {problem}")
        self._lines[0], self.address = line, _own_address(line)


def _nonce_of(host: str, port: int) -> tuple[socket.socket, bytes]:
    """A connection to learner 0, and what learner 0 says first: a router that forwards the port says nothing."""
    connection = socket.create_connection((host, port), timeout=_GREETING)
    try:
        return connection, _exactly(connection, _NONCE, time.monotonic() + _GREETING)
    except OSError:
        connection.close()
        raise


def _listener(host: str, port: int, say: Callable[[str], None]) -> socket.socket:
    """Listens at an address of this host.

    At all addresses where the name stands for none of this host's, as behind a router that forwards the port, or for
    the loopback, as a host's own name often does, though the others mean another of its addresses.
    """
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        by_name = place[0] != host and host != "localhost"
        if not (by_name and ipaddress.ip_address(place[0]).is_loopback):
            with contextlib.suppress(OSError):
                return socket.create_server(place[:2], family=family, backlog=128)
        listener = socket.create_server(("", port), backlog=128)
    except OSError as error:
        raise UserError(f"--rendezvous={host}:{port}: learner 0 cannot listen there ({error})") from error
    say(f"note: {host} is no address of this host's network; learner 0 listens at port {port} of all its addresses")
    return listener


def _own_address(line: _Line) -> str:
    return str(line.connection.getsockname()[0])


def _session(key: bytes, nonce: bytes, other: bytes) -> bytes:
    return hmac.digest(key, b"tfdgan rendezvous" + nonce + other, "sha256")


def _tag(key: bytes, direction: bytes, number: int, body: bytes) -> bytes:
    return hmac.digest(key, direction + number.to_bytes(8, "little") + body, "sha256")


def _exactly(connection: socket.socket, count: int, until: float) -> bytes:
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
