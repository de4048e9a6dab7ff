"""A switch in user space: every frame that learners send waits here for the rates and delays of two links.

For kernels without `netem`. Frames come from and go to TAP devices, one a learner; a learner's number is in the last
two bytes of its hardware address, so there is nothing to learn and nothing to flood.
"""

import operator
import os
import select
import time

from tools.network import pacing

_FRAMES_A_TURN = 64  # from one learner, before others have theirs
_arrival = operator.itemgetter(0)


class Switch:
    """Ports by number: a TAP's descriptor, the direction up from the learner and that down to it."""

    def __init__(self, taps, mtu):
        self._taps, self._largest = taps, mtu + 64
        self._ports = {tap: pacing.Direction() for tap in taps}
        self._up = list(self._ports.values())
        self._down = [pacing.Direction() for _ in taps]
        self._slack = 0.0
        for tap in taps:
            os.set_blocking(tap, False)

    def set(self, links):
        """[(bit/s, seconds, bytes of queue)], the same both ways."""
        for link, up, down in zip(links, self._up, self._down, strict=True):
            up.set(*link)
            down.set(*link)
        self._slack = min(hold for _, hold, _ in links) / 2

    def report(self):
        """Frames passed on and dropped since the start."""
        directions = self._up + self._down
        return {"frames": sum(d.passed for d in self._down), "dropped": sum(d.dropped for d in directions)}

    def serve(self, control, answer):
        """Pass frames on until `answer()`, called whenever the descriptor `control` is readable, returns False."""
        watched, wait = [control, *self._taps], None
        while True:
            # select's timeout is in microseconds; epoll's, in milliseconds, would be a tenth of a short delay.
            for descriptor in select.select(watched, (), (), wait)[0]:
                if descriptor != control:
                    self._take(descriptor)
                elif not answer():
                    return
            self._pass_on(time.monotonic())
            due = self._due()
            wait = None if due is None else max(0.0, due - time.monotonic())

    def _take(self, tap):
        """Read what a learner has sent."""
        read, largest, take, now = os.read, self._largest, self._ports[tap].take, time.monotonic()
        try:
            for _ in range(_FRAMES_A_TURN):
                take(now, now, read(tap, largest))
        except BlockingIOError:
            pass

    def _pass_on(self, now):
        """Up, across and down: every frame whose time has come."""
        across = []
        for direction in self._up:
            held = direction.held
            while held and held[0][0] <= now:
                across.append(held.popleft())
        if len(across) > 1:
            across.sort(key=_arrival)  # several learners' frames, as they would have come
        down, ports = self._down, len(self._down)
        for last, first, frame in across:
            port = frame[4] << 8 | frame[5]
            if port < ports and not frame[0] & 1:  # not to everybody: nobody has anything to ask
                down[port].take(first, last, frame)
        for tap, direction in zip(self._taps, down, strict=True):
            held = direction.held
            while held and held[0][0] <= now:
                self._deliver(tap, direction, held.popleft()[2])

    def _deliver(self, tap, direction, frame):
        try:
            os.write(tap, frame)
        except OSError:  # the learner's device is down, or its memory full: as lost as on a wire
            direction.dropped += 1

    def _due(self):
        """When this has to wake; None if no frame waits.

        A frame may be late at the switch by less than the link behind it holds it: its times are reckoned from when
        it should have come. That is half of the wakes.
        """
        times = [direction.held[0][0] + self._slack for direction in self._up if direction.held]
        times += [direction.held[0][0] for direction in self._down if direction.held]
        return min(times, default=None)
