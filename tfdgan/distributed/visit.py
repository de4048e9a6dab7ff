"""The way into a running job, as the process goes it that wants a place: the other side of a `Lobby`."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tfdgan.distributed import line, messages
from tfdgan.distributed.line import GREETING, Line, MakeCipher
from tfdgan.errors import JobOver, LocalFault, UserError

_SALT = 32
_ASKING = 3600.0  # seconds in which somebody has to let this process in: until then a network may come back
_REFUSED = 60.0  # seconds in which all hosts refuse, or know another key: nobody of the job is there any more
_STRANGER = "who answers is no learner with the same key"
_PAUSE = 1.0
_SAY_EVERY = 10.0
_SILENCE = 60.0  # seconds in which a lobby gives a sign, or sends a piece


class Visit:
    """A place that a process has been promised.

    Args:
      places: where learners may be found, asked again and again; it may raise `JobOver`. Those that they name are asked
        too.
      key: function from a lobby's salt to the key of the job's lobbies.
      said: what this process says of itself.
      make_cipher: of lines that are encrypted.
      say: takes a line for people.

    Attributes:
      told: what the job has agreed on.
      host: (host, port) of the lobby.
      salt: the lobby's.
      address: of this host, in digits, as the lobby's sees it.

    Raises:
      UserError: who answers does not want this process; or nobody answers, or has a place: a restart would not help.
      JobOver: there is no job any more.
    """

    def __init__(
        self,
        places: Callable[[], Iterable[tuple[str, int]]],
        key: Callable[[bytes], bytes],
        said: dict[str, Any],
        make_cipher: MakeCipher,
        say: Callable[[str], None],
    ) -> None:
        self._places = places
        begun = spoke = there = time.monotonic()  # there: when somebody may have been the last time
        why, named = "nobody is there", set[tuple[str, int]]()
        while True:
            for host, port in dict.fromkeys([*places(), *named]):
                try:
                    self._line, self.told, self.salt = _asked(host, port, key, said)
                except (OSError, ValueError) as error:
                    why = f"{host}:{port}: {error}"
                    if not isinstance(error, ConnectionRefusedError | ValueError):
                        there = time.monotonic()
                    continue
                there = time.monotonic()
                if problem := self.told.get("problem"):
                    self._line.close()
                    raise UserError(f"--join={host}:{port}: {problem}")
                if self.told["rank"] is not None:
                    self.host, self.address = (host, port), str(self._line.connection.getsockname()[0])
                    if self.told["encrypts"]:
                        self._line.encrypt(make_cipher)
                    return
                self._line.close()
                why, named = self.told["later"], named | {(host, port) for host, port in self.told["lobbies"]}
            if time.monotonic() - begun > _ASKING:
                raise UserError(f"--join: no learner of the job has let this one in for {_ASKING:g} s ({why})")
            if time.monotonic() - there > _REFUSED:
                do = "give the job's --wire_key_file, or " if _STRANGER in why else ""
                do += "start the job again, from its last checkpoint"
                raise UserError(f"--join: no learner of the job is there ({why}); {do}")
            if time.monotonic() - spoke > _SAY_EVERY:
                say(f"waiting for a place in the job ({why})")
                spoke = time.monotonic()
            time.sleep(_PAUSE)

    def ready(self, learner: dict[str, Any]) -> None:
        """Say where this process listens."""
        with self._others():
            self._line.send({"ready": learner})

    def state(self) -> dict[str, np.ndarray]:
        """{name: array}: the state of the learner that was asked, as of its next tick."""
        found: dict[str, np.ndarray] = {}
        name, kind, shape, parts = "", "", list[int](), list[bytes]()
        while True:
            piece = self._hear("state")
            if piece is None or piece[0] != name:
                if parts:
                    found[name] = np.frombuffer(b"".join(parts), messages.dtype(kind)).reshape(shape)
                if piece is None:
                    break
                parts = []
            name, kind, shape, part = piece
            parts.append(part)
        return found

    def loaded(self) -> int:
        """Say that the state is in place; returns the step after which this process is let in."""
        with self._others():
            self._line.send("loaded")
        return self._hear("appointed")

    def entered(self) -> dict[str, Any]:
        """Who is there, and what they remember of the run, once they have let this process in."""
        found = self._hear("in")
        self._line.close()
        return found

    def _hear(self, what: str) -> Any:
        while True:
            with self._others():
                said = self._line.receive(_SILENCE)
            if "over" in said:
                raise JobOver(said["over"])
            if what in said:
                return said[what]
            if "wait" not in said:
                raise LocalFault(f"the job did not let this learner in: {', '.join(map(str, said.values()))}")

    @contextlib.contextmanager
    def _others(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            host, port = self.host
            self._places()  # says so if the job is over
            raise LocalFault(
                f"the learner at {host}:{port}, which was to let this one in, has gone ({error})"
            ) from error


def _asked(
    host: str, port: int, key: Callable[[bytes], bytes], said: dict[str, Any]
) -> tuple[Line, dict[str, Any], bytes]:
    """(a line to a lobby, what it answers, the lobby's salt)."""
    connection, salt, nonce = line.connected(host, port, _SALT)
    try:
        found = line.introduced(connection, nonce, key(salt), said)
        return found, found.receive(GREETING), salt
    except TimeoutError:  # it is busy
        connection.close()
        raise
    except (OSError, ValueError) as error:
        connection.close()
        raise ValueError(f"{_STRANGER} ({error})") from error


class Heard(NamedTuple):
    """What came of a report.

    Attributes:
      lobbies: where those who heard it say that learners are; empty if nobody heard it.
      is_refused: True if every place refused the connection: no process is there.
    """

    lobbies: set[tuple[str, int]]
    is_refused: bool


def report_end(places: Iterable[tuple[str, int]], key: bytes, rank: int, process: str) -> Heard:
    """Tell the learners at some lobbies, all at once, that a process of learner `rank` has ended.

    Returns when all have heard it, or after some seconds: who does not answer is not told.
    """
    places = list(places)
    lobbies, refused = set[tuple[str, int]](), list[tuple[str, int]]()

    def report(host: str, port: int) -> None:
        try:
            found, told, _ = _asked(host, port, lambda _: key, {"ended": rank, "process": process})
            found.close()
            lobbies.update((host, port) for host, port in told["lobbies"])
        except ConnectionRefusedError:
            refused.append((host, port))
        except (OSError, ValueError, TypeError, KeyError):
            pass

    calls = [threading.Thread(target=report, args=place, daemon=True) for place in places]
    for call in calls:
        call.start()
    until = time.monotonic() + GREETING
    for call in calls:
        call.join(max(0.0, until - time.monotonic()))
    return Heard(set(lobbies), len(refused) == len(places))
