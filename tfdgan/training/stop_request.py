"""Signals that ask a run to stop; the next tick shares the request with all learners."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class StopRequest:
    """SIGTERM, Ctrl-C and a closed terminal (SIGHUP) become a request that the next tick shares.

    A second SIGTERM or Ctrl-C ends the process. SIGHUP stays ignored where `nohup` has it ignored. Python lets only the
    main thread take signals, so training in another thread leaves them as they are.

    Attributes:
      requested: True after the first signal.
    """

    def __enter__(self) -> Self:
        self.requested = False
        is_main = threading.current_thread() is threading.main_thread()
        taken = [signal.SIGTERM, signal.SIGINT] if is_main else []
        if is_main and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            taken.append(signal.SIGHUP)
        self._former = {number: signal.signal(number, self._note) for number in taken}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number != signal.SIGHUP:
            raise KeyboardInterrupt
        self.requested = True
