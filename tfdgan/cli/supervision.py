"""A process beside each learner that starts the learner again when it dies; it loads no TensorFlow."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import FrameType
from typing import NamedTuple

from tfdgan.distributed import launch, roster, visit
from tfdgan.errors import UserError
from tfdgan.gossip.native import wire_key

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_USER_ERROR, _OF_A_SIGNAL = 2, 128  # exit codes
_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY = 1.0, 60.0, 300.0  # seconds
_LOOK = 2.0  # seconds between looks whether the job goes on
_REFUSED, _UNANSWERED = 10.0, 3600.0  # seconds after which it does not: all refuse, or nobody answers
_DIES_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


class Supervisor:
    """Runs a learner, and runs it again to take its place in the job when it has died.

    It is started again if its process has ended otherwise than with 0 after it took part in the job, but not if
    somebody asked it to stop, if the job is over, or if a process finds no way back in. Who is started no more ends the
    supervisor, but under a launcher only with the job.

    Args:
      command: of the learner.
      most: restarts.
    """

    def __init__(self, command: Sequence[str], most: int) -> None:
        self._command, self._most, self._restarts = list(command), most, 0
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped_by: int | None = None

    def run(self) -> int:
        """The exit code of the learner's last process; 128 + n if signal n ended it."""
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        with tempfile.TemporaryDirectory(prefix="tfdgan-") as folder:
            note, pause, joins = os.path.join(folder, "roster"), _FIRST_PAUSE, list[str]()
            while True:
                begun, former = time.monotonic(), roster.noted(note)
                code = self._run_once([*self._command, *joins], note)
                seconds, found = time.monotonic() - begun, roster.noted(note)
                ends_with = code if code >= 0 else _OF_A_SIGNAL - code
                if code == 0 or self._stopped_by:
                    return ends_with
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                if found is None:
                    _say(f"the learner {how} before it took part in a job: nobody can come back to that")
                    return ends_with
                if (over := _over(found.path)) is not None:
                    return 0 if over.well else ends_with
                if found == former and code == _USER_ERROR:
                    _say(f"learner {found.rank} {how}, and was not let in again")
                    return self._stay_away(found, ends_with)
                if self._restarts >= self._most:
                    _say(f"learner {found.rank} {how}, after {self._restarts} restarts")
                    return self._stay_away(found, ends_with)
                self._restarts += 1
                pause = _FIRST_PAUSE if found != former and seconds > _HEALTHY else pause
                _say(f"learner {found.rank} {how}: restart {self._restarts} of at most {self._most} in {pause:g} s")
                if found != former:
                    _tell_others(found)
                self._wait(pause)
                if self._stopped_by:
                    return _OF_A_SIGNAL + self._stopped_by
                pause, joins = min(2 * pause, _LONGEST_PAUSE), [f"--join={found.path}", f"--learner={found.rank}"]

    def _stay_away(self, found: roster.Note, code: int) -> int:
        """The exit code once no process of this place will come back.

        A launcher ends all learners with the first process that fails: there it is said once the job is over. That is
        what the roster says; or all learners' hosts refuse connections; or nobody has answered for an hour.
        """
        if launch.is_alone() or (places := _places(found)) is None:
            return code
        _say(f"learner {found.rank} stays away; its launcher hears of it when the job is over")
        answered = there = time.monotonic()
        while not self._stopped_by and time.monotonic() < min(there + _REFUSED, answered + _UNANSWERED):
            if (over := _over(found.path)) is not None:
                return 0 if over.well else code
            heard = visit.report_end(places.lobbies, places.key, found.rank, found.process)
            if heard.lobbies:
                places, answered = places._replace(lobbies=heard.lobbies), time.monotonic()
            if not heard.is_refused:
                there = time.monotonic()
            self._wait(_LOOK)
        return code

    def _run_once(self, command: Sequence[str], note: str) -> int:
        # A session of its own: Ctrl-C reaches the learner once, from here.
        child = subprocess.Popen(
            command, env={**os.environ, roster.NOTE: note}, start_new_session=True, preexec_fn=_die_with_parent
        )
        self._child = child
        if self._stopped_by:  # meanwhile
            child.send_signal(self._stopped_by)
        code = child.wait()
        self._child = None
        return code

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stopped_by = number
        if self._child:
            self._child.send_signal(number)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped_by and time.monotonic() < until:
            time.sleep(0.1)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads any more
        print(f"supervisor: {text}", file=sys.stderr, flush=True)


def _over(path: str) -> roster.Roster | None:
    """The roster of a job that is over; None while it runs, as far as is known here."""
    try:
        found = roster.read(path)
    except UserError:
        return None
    return None if found.over is None else found


class _Places(NamedTuple):
    """Where the other learners of a job may be asked, and the key of their lobbies."""

    lobbies: set[tuple[str, int]]
    key: bytes


def _places(found: roster.Note) -> _Places | None:
    """As the roster of this host has it; None if there is none any more."""
    try:
        lobbies = roster.read(found.path).lobbies
        key = wire_key.of_lobbies(wire_key.of_file(roster.key_file(found.path)))
    except UserError:
        return None
    return _Places({place for other, place in lobbies.items() if other != found.rank}, key)


def _tell_others(found: roster.Note) -> None:
    """Tell all learners at once that one has ended: from another machine they cannot know it."""
    if places := _places(found):
        visit.report_end(places.lobbies, places.key, found.rank, found.process)


def _die_with_parent() -> None:
    """No learner is left behind by a supervisor that is killed, where the system can see to it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
