"""Signals that ask a run to stop, as a request that the next tick shares."""

import signal
import threading


class StopRequest:
    """SIGTERM and Ctrl-C become a request that the next tick shares; a second one ends the process.

    Python lets only the main thread take signals, so training in another thread leaves them as they are.
    """

    def __enter__(self):
        self.requested = False
        is_main = threading.current_thread() is threading.main_thread()
        taken = (signal.SIGTERM, signal.SIGINT) if is_main else ()
        self._former = {number: signal.signal(number, self._note) for number in taken}
        return self

    def __exit__(self, *_):
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
