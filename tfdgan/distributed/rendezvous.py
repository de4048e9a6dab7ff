"""Meeting without a launcher: every learner calls on learner 0, which passes on what each of them says.

It carries the few values that learners compare before the exchange stands; after that nobody needs learner 0 for it.
Without a key file the key of its lines is empty: whoever reaches learner 0 may then take a place.
"""

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from tfdgan.distributed import line
from tfdgan.distributed.line import GREETING, Line
from tfdgan.errors import LocalFault, UserError

_AT_ONCE = 32  # greetings
_MEETING, _ANSWER = 600.0, 900.0  # seconds to wait for everybody, and for a value: hosts may compile the exchange first
_SAY_EVERY = 10.0


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
        self._lines: dict[int, Line] = {}
        if rank == 0:
            self._receive_all(host, port)
        else:
            self._call(host, port)

    def gather(self, value: Any) -> list[Any]:
        """[value of each learner]: all learners call it together."""
        try:
            if self._rank:
                self._with(0, lambda one: one.send(value))
                return self._with(0, lambda one: one.receive(_ANSWER))
            values = [value, *(self._with(rank, lambda one: one.receive(_ANSWER)) for rank in range(1, self._size))]
            for rank in range(1, self._size):
                self._with(rank, lambda one: one.send(values))
            return values
        except LocalFault:
            self.close()  # the others need not wait for what will not come
            raise

    def close(self) -> None:
        """Leave: nobody needs the meeting any more."""
        for one in self._lines.values():
            one.close()

    def _with(self, rank: int, speak: Callable[[Line], Any]) -> Any:
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
            (a for one in self._lines.values() if (a := _own_address(one)) != "127.0.0.1"), self.address
        )

    def _greet(self, connection: socket.socket, taken: threading.Lock, doors: threading.BoundedSemaphore) -> None:
        """Let a learner in, or turn a stranger away."""
        try:
            said, visitor = line.greeted(connection, self._key)
            rank, size = said["rank"], said["size"]
            with taken:
                problem = self._problem(rank, size)
                visitor.send(problem)
                if problem is None and not _has_hung_up(visitor):  # who was answered too late calls again
                    self._lines[rank] = visitor
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
        is_there = rank in self._lines and not _has_hung_up(self._lines[rank])
        return f"--learner={rank}: is there already" if is_there else None

    def _call(self, host: str, port: int) -> None:
        """Call on learner 0 until it answers."""
        until, spoke = time.monotonic() + _MEETING, time.monotonic()
        while True:
            try:
                connection, _, nonce = line.connected(host, port)
                self._lines[0] = self._let_in(connection, nonce)
                break
            except OSError as error:
                if time.monotonic() > until:
                    raise LocalFault(f"rendezvous: learner 0 is not at {self._where} ({error})") from error
                if time.monotonic() - spoke > _SAY_EVERY:
                    self._say(f"waiting for learner 0 at {self._where} ({error})")
                    spoke = time.monotonic()
                time.sleep(0.2)
        self.address = _own_address(self._lines[0])

    def _let_in(self, connection: socket.socket, nonce: bytes) -> Line:
        """The line to learner 0. Raises `TimeoutError` if learner 0 is too busy to answer."""
        try:
            host_line = line.introduced(connection, nonce, self._key, {"rank": self._rank, "size": self._size})
            problem = host_line.receive(GREETING)
        except TimeoutError:
            connection.close()
            raise
        except (OSError, ValueError) as error:
            connection.close()
            raise UserError(
                f"--rendezvous={self._where}: who answers there is no learner 0 with the same --wire_key_file ({error})"
            ) from error
        if problem is not None:
            host_line.close()
            raise UserError(f"--rendezvous={self._where}: {problem}")
        return host_line


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


def _has_hung_up(one: Line) -> bool:
    try:
        return line.has_ended(one.connection) and one.connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _own_address(one: Line) -> str:
    return str(one.connection.getsockname()[0])
