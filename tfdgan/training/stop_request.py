"""Signals that ask a run to stop; the next tick shares the request with all learners."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class StopRequest:
    """SIGTERM and Ctrl-C become a request that the next tick shares; a second signal ends the process.

    Python lets only the main thread take signals, so training in another thread leaves them as they are.

    Attributes:
      requested: True after the first signal.
    """

    def __enter__(self) -> Self:
        self.requested = False
        is_main = threading.current_thread() is threading.main_thread()
        taken = (signal.SIGTERM, signal.SIGINT) if is_main else ()
        self._former = {number: signal.signal(number, self._note) for number in taken}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
