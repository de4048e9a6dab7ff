"""Where a process asks for a place in a running job: each learner keeps a lobby, a port and a few threads.

    guest      what it is: the place it asks for (-1: any that is free), whether it can encrypt
    lobby      why it is not welcome, or not yet; or its place, the others, and what the job has agreed on
               ... the guest builds its nets and traces its step, which takes seconds to minutes
    guest      where it listens: it is ready
    lobby      at the next tick: this learner's state, piece by piece
    guest      that it has loaded the state
    lobby      at the next tick: the step after which it is let in
    lobby      after that step: who is there, and what the others remember of the run

While a guest waits the lobby says every few seconds that it is still there, and may say that the job is over. All of
it goes over a `Line`: the job's key seals it, and it is encrypted where the exchange between the two is. A supervisor
calls here too, to say that its learner has ended.
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
from tfdgan.errors import UserError

_AT_ONCE = 16  # greetings, of strangers too
_BETWEEN = 0.005  # seconds from one to the next: a crowd of strangers shall not take a core from training
_BUILDING = 3600.0  # seconds in which a guest has to be ready
_LOADING = 600.0
_LOOK, _PING = 0.5, 5.0  # seconds between looks whether a waiting guest is there, and between signs to it
_FAREWELL = 2.0  # seconds for guests to hear that the job is over
_PIECE = 1 << 20  # bytes of a state sent at once: a guest waits for each for a minute, on a slow way too

State = Mapping[str, np.ndarray]
Answer = tuple[int | None, dict[str, Any], bool]  # (the place or None, what the guest is told, whether both encrypt)


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
        self.letters = queue.SimpleQueue[tuple[str, Any]]()


class Lobby:
    """The lobby of one learner.

    Args:
      listener: a socket that listens.
      salt: 32 bytes, told to everybody: who has the job's key file makes the key of them.
      key: that proves to be of the job.
      receive: function from what a guest says of itself, and the places promised to other guests, to an `Answer`.
      check: function from where a guest says that it listens to what the learners can use; raises `UserError`.
      make_cipher: of lines that are encrypted.
      on_end: takes a learner, and which of its processes has ended, as its supervisor says; returns where lobbies are.
    """

    def __init__(
        self,
        listener: socket.socket,
        salt: bytes,
        key: bytes,
        receive: Callable[[dict[str, Any], set[int]], Answer],
        check: Callable[[dict[str, Any]], dict[str, Any]],
        make_cipher: MakeCipher,
        on_end: Callable[[int, str], list[tuple[str, int]]],
    ) -> None:
        self._listener, self._salt, self._key, self._receive, self._check = listener, salt, key, receive, check
        self._make_cipher, self._on_end = make_cipher, on_end
        self._guests: list[_Guest] = []
        self._mutex = threading.Lock()
        self._doors = threading.BoundedSemaphore(_AT_ONCE)
        self._is_open = True
        threading.Thread(target=self._serve, name="lobby", daemon=True).start()

    def give_state(self, make: Callable[[], State]) -> bool:
        """Send those who are ready this learner's state, which `make` copies now; False if nobody is."""
        ready = self._at("ready")
        state = make() if ready else {}
        for guest in ready:
            guest.stage = "loading"
            guest.letters.put(("state", state))
        return bool(ready)

    def loaded(self) -> dict[int, dict[str, Any]]:
        """{place: where its guest listens} of those who can be let in, and are still there."""
        return {guest.rank: guest.learner for guest in self._at("loaded")}

    def tell(self, rank: int, what: str, value: Any) -> None:
        """Tell the guest of a place, which has loaded, something."""
        for guest in self._at("loaded"):
            if guest.rank == rank:
                guest.letters.put((what, value))

    def close(self, what: str, why: str) -> None:
        """Take in nobody any more; tell guests why: the job is "over", or this learner has "left". Safe to repeat."""
        if not self._is_open:
            return
        self._is_open = False
        with contextlib.suppress(OSError):  # wakes who waits for a connection
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stage in ("ready", "loaded"):
            for guest in self._at(stage):
                guest.letters.put((what, why))
        until = time.monotonic() + _FAREWELL
        while (self._at("ready") or self._at("loaded")) and time.monotonic() < until:
            time.sleep(0.01)

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
                visitor.send({"lobbies": self._on_end(int(said["ended"]), str(said["process"]))})
                return
            with self._promised(said) as (guest, told, encrypts):
                visitor.send({**told, "rank": guest and guest.rank, "encrypts": encrypts})
                if encrypts:
                    visitor.encrypt(self._make_cipher)
                if guest:
                    self._accompany(guest, visitor)

    @contextlib.contextmanager
    def _promised(self, said: dict[str, Any]) -> Iterator[tuple[_Guest | None, dict[str, Any], bool]]:
        """(the guest, who is known to the learner meanwhile, or None; what it is told; whether both encrypt)."""
        with self._mutex:
            rank, told, encrypts = self._receive(said, {guest.rank for guest in self._guests})
            guest = None if rank is None else _Guest(rank)
            if guest:
                self._guests.append(guest)
        try:
            yield guest, told, encrypts
        finally:
            if guest:
                guest.stage = "gone"
                with self._mutex:
                    self._guests.remove(guest)

    def _accompany(self, guest: _Guest, visitor: Line) -> None:
        """Speak with a guest until it is in, or gone."""
        learner = visitor.receive(_BUILDING)["ready"]
        try:
            guest.learner = self._check(learner)
        except UserError as error:
            return visitor.send({"refused": error.as_flags()})
        guest.stage = "ready"
        while True:
            what, value = self._next_letter(guest, visitor)
            if what == "state":
                for piece in _pieces(value):
                    visitor.send({"state": piece})
                del value, piece
                visitor.send({"state": None})
                visitor.receive(_LOADING)
                guest.stage = "loaded"
                continue
            try:
                visitor.send({what: value})
            except OSError:
                if what == "in":  # the others have let in who is not there any more
                    self._on_end(guest.rank, guest.learner["process"])
                raise
            if what != "appointed":
                return

    def _next_letter(self, guest: _Guest, visitor: Line) -> tuple[str, Any]:
        """What the learner wants the guest to be told. Raises `OSError` if the guest goes meanwhile."""
        pinged = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                return guest.letters.get(timeout=_LOOK)
            if line.has_ended(visitor.connection):
                raise OSError("the guest has gone")
            if time.monotonic() - pinged > _PING:
                visitor.send({"wait": None})
                pinged = time.monotonic()


def _pieces(state: State) -> Iterator[tuple[str, str, list[int], bytes]]:
    """(name, dtype, shape, bytes) of all arrays, in pieces."""
    for name, array in state.items():
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for begin in range(0, max(len(raw), 1), _PIECE):
            yield name, array.dtype.name, list(array.shape), raw[begin : begin + _PIECE].tobytes()
