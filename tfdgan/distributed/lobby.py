"""Where a process asks for a place in a running job: each learner keeps a lobby, a port and a few threads.

    guest      what it is: the place it asks for (-1: any that is free), whether it can encrypt
    lobby      why it is not welcome, or its place, the others, and what the job has agreed on
               ... the guest builds its nets and traces its step, which takes seconds to minutes
    guest      where it listens: it is ready
    lobby      at the next tick: this learner's state, piece by piece
    guest      that it has loaded the state
    lobby      at the next tick: the step after which it is let in
    lobby      after that step: who is there, and what the others remember of the run

The lobby may say at any point that the job is over. All of it goes over a `Line`: the job's key seals it, and it is
encrypted where the exchange between the two is. A supervisor calls here too, to say that its learner has ended.
"""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tfdgan.distributed import line
from tfdgan.distributed.line import Line, MakeCipher

_AT_ONCE = 16  # greetings, of strangers too
_BETWEEN = 0.005  # seconds from one to the next: a crowd of strangers shall not take a core from training
_BUILDING = 3600.0  # seconds in which a guest has to be ready
_LOADING = 600.0
_PIECE = 8 << 20  # bytes of a state sent at once

State = Mapping[str, np.ndarray]


class _Guest:
    """Somebody who wants a place, as the learner sees it whose lobby was asked.

    Attributes:
      rank: the place.
      learner: where it listens, once it is ready.
      stage: "building", "ready", "loading", "loaded" or "gone".
    """

    def __init__(self, rank: int) -> None:
        self.rank, self.stage = rank, "building"
        self.learner: dict[str, Any] = {}
        self.letters = queue.SimpleQueue[Any]()


class Lobby:
    """The lobby of one learner.

    Args:
      listener: a socket that listens.
      salt: 32 bytes, told to everybody: who has the job's key file makes the key of them.
      key: that proves to be of the job.
      receive: function from what a guest says of itself, and the places that other guests were promised, to (its place
        or None, what it is told, whether both encrypt).
      make_cipher: of lines that are encrypted.
      on_end: takes a learner whose supervisor says that it has ended.
    """

    def __init__(
        self,
        listener: socket.socket,
        salt: bytes,
        key: bytes,
        receive: Callable[[dict[str, Any], set[int]], tuple[int | None, dict[str, Any], bool]],
        make_cipher: MakeCipher,
        on_end: Callable[[int], None],
    ) -> None:
        self._listener, self._salt, self._key, self._receive = listener, salt, key, receive
        self._make_cipher, self._on_end = make_cipher, on_end
        self._guests: list[_Guest] = []
        self._mutex = threading.Lock()
        self._doors = threading.BoundedSemaphore(_AT_ONCE)
        self._is_open = True
        threading.Thread(target=self._serve, name="lobby", daemon=True).start()

    def give_state(self, make: Callable[[], State]) -> None:
        """Send those who are ready this learner's state, which `make` copies now."""
        ready = self._at("ready")
        state = make() if ready else {}
        for guest in ready:
            guest.stage = "loading"
            guest.letters.put(("state", state))

    def loaded(self) -> dict[int, dict[str, Any]]:
        """{place: where its guest listens} of those who can be let in."""
        return {guest.rank: guest.learner for guest in self._at("loaded")}

    def tell(self, rank: int, what: str, value: Any) -> None:
        """Tell the guest of a place something."""
        for guest in self._at("loaded"):
            if guest.rank == rank:
                guest.letters.put((what, value))

    def close(self, why: str) -> None:
        """Take in nobody any more; tell guests that the job is over, and why. Safe to call again."""
        if not self._is_open:
            return
        self._is_open = False
        with contextlib.suppress(OSError):  # wakes who waits for a connection
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._mutex:
            for guest in self._guests:
                guest.letters.put(("over", why))

    def _at(self, stage: str) -> list[_Guest]:
        with self._mutex:
            return [guest for guest in self._guests if guest.stage == stage]

    def _serve(self) -> None:
        while self._is_open:
            self._doors.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it was closed, or too many files are open
                self._doors.release()
                time.sleep(0.2)
                continue
            threading.Thread(target=self._greet, args=(connection,), name="guest", daemon=True).start()
            time.sleep(_BETWEEN)

    def _greet(self, connection: socket.socket) -> None:
        with contextlib.closing(connection), contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            try:
                connection.sendall(self._salt)
                said, visitor = line.greeted(connection, self._key)
            finally:
                self._doors.release()  # who has proved to be of the job may take its time
            if "ended" in said:
                self._on_end(int(said["ended"]))
                visitor.send("thanks")
                return
            with self._mutex:
                promised = {guest.rank for guest in self._guests}
            rank, told, encrypts = self._receive(said, promised)
            visitor.send({**told, "rank": rank, "encrypts": encrypts})
            if encrypts:
                visitor.encrypt(self._make_cipher)
            if rank is not None:
                with self._as_guest(rank) as guest:
                    self._accompany(guest, visitor)

    @contextlib.contextmanager
    def _as_guest(self, rank: int) -> Iterator[_Guest]:
        """A guest that is known to the learner meanwhile."""
        guest = _Guest(rank)
        with self._mutex:
            for other in self._guests:  # who asks again for one place has broken off
                if other.rank == rank:
                    other.letters.put(("taken", f"another process asks for the place of learner {rank}"))
                    other.stage = "gone"
            self._guests.append(guest)
        try:
            yield guest
        finally:
            guest.stage = "gone"
            with self._mutex:
                self._guests.remove(guest)

    def _accompany(self, guest: _Guest, visitor: Line) -> None:
        """Speak with a guest until it is in, or gone."""
        guest.learner = visitor.receive(_BUILDING)["ready"]
        self._advance(guest, "building", "ready")
        while True:
            what, value = guest.letters.get()
            if what == "state":
                for piece in _pieces(value):
                    visitor.send({"state": piece})
                visitor.send({"state": None})
                visitor.receive(_LOADING)
                self._advance(guest, "loading", "loaded")
                continue
            visitor.send({what: value})
            if what != "appointed":
                return

    def _advance(self, guest: _Guest, before: str, after: str) -> None:
        with self._mutex:
            if guest.stage == before:
                guest.stage = after


def _pieces(state: State) -> Iterator[tuple[str, str, list[int], bytes]]:
    """(name, dtype, shape, bytes) of all arrays, in pieces."""
    for name, array in state.items():
        raw = np.ascontiguousarray(array).tobytes()
        for begin in range(0, max(len(raw), 1), _PIECE):
            yield name, array.dtype.name, list(array.shape), raw[begin : begin + _PIECE]
