"""A process beside each learner that starts the learner again when it dies; it loads no TensorFlow."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import FrameType

from tfdgan.distributed import roster, visit
from tfdgan.errors import UserError
from tfdgan.gossip.native import wire_key

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_USER_ERROR, _OF_A_SIGNAL = 2, 128  # exit codes
_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY = 1.0, 60.0, 300.0  # seconds
_DIES_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


class Supervisor:
    """Runs a learner, and runs it again to take its place in the job when it has died.

    It is started again if its process ended by a signal or with exit code 1 after training had begun, but not if
    somebody asked it to stop, or what it was given cannot be used.

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
                begun = time.monotonic()
                code = self._run_once([*self._command, *joins], note)
                found = roster.noted(note)
                if found is None or not self._again(code, found[1]):
                    return code if code >= 0 else _OF_A_SIGNAL - code
                rank, path = found
                self._restarts += 1
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                pause = _FIRST_PAUSE if time.monotonic() - begun > _HEALTHY else pause
                words = f"learner {rank} {how}: restart {self._restarts} of at most {self._most} in {pause:g} s"
                print(f"supervisor: {words}", file=sys.stderr, flush=True)
                _tell_others(rank, path)
                self._wait(pause)
                if self._stopped_by:
                    return _OF_A_SIGNAL + self._stopped_by
                pause, joins = min(2 * pause, _LONGEST_PAUSE), [f"--join={path}", f"--learner={rank}"]

    def _again(self, code: int, path: str) -> bool:
        if code in (0, _USER_ERROR) or self._stopped_by or self._restarts >= self._most:
            return False
        try:
            return roster.read(path).over is None
        except UserError:
            return True

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


def _tell_others(rank: int, path: str) -> None:
    """Tell all learners at once that one has ended: behind a firewall they could not see it."""
    try:
        lobbies = roster.read(path).lobbies
        key = wire_key.of_lobbies(wire_key.of_file(roster.key_file(path)))
    except UserError:
        return
    visit.report_end([place for other, place in lobbies.items() if other != rank], key, rank)


def _die_with_parent() -> None:
    """No learner is left behind by a supervisor that is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
