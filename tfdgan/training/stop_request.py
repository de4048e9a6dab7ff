"""Signals that ask a run to stop; the next tick shares the request with all learners."""

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

_LATE = 60.0  # seconds after the job has stopped


class StopRequest:
    """SIGTERM, Ctrl-C and a closed terminal (SIGHUP) become a request that the next tick shares.

    A second SIGTERM or Ctrl-C ends the process. SIGHUP stays ignored where `nohup` has it ignored. Python lets only the
    main thread take signals, so training in another thread leaves them as they are.

    Who sends a signal to a job sends one to each learner, as launchers do, and the job may have stopped before the last
    of them arrives: after `heeded` one signal that comes within a minute ends nothing.

    Attributes:
      requested: True after the first signal.
    """

    def __enter__(self) -> Self:
        self.requested = self._heeded = False
        is_main = threading.current_thread() is threading.main_thread()
        taken = [signal.SIGTERM, signal.SIGINT] if is_main else []
        if is_main and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            taken.append(signal.SIGHUP)
        self._former = {number: signal.signal(number, self._note) for number in taken}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        late = self._heeded and not self.requested
        for number, handler in self._former.items():
            signal.signal(number, self._pass_over if late else handler)

    def heeded(self) -> None:
        """The job stops, whoever was asked."""
        self._heeded, self._since = True, time.monotonic()

    def _pass_over(self, number: int, frame: FrameType | None) -> None:
        for taken, handler in self._former.items():
            signal.signal(taken, handler)
        if time.monotonic() - self._since > _LATE:
            os.kill(os.getpid(), number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number != signal.SIGHUP:
            raise KeyboardInterrupt
        self.requested = True
