"""When frames leave a link: the arithmetic of the user-space switch, without clocks and sockets."""

import collections


def passage(first, last, free, seconds):
    """(start, finish): when a link puts the first and the last bit of a frame on its wire.

    `first`, `last`: when these bits reach the link; `free`: when it has sent what came before; `seconds`: the frame's
    bits over the rate. The link sends as soon as it can without running dry:

        start = max(first, last - seconds, free),  finish = start + seconds

    so two links in a row cost a frame the bits' time once, at the slower rate, and a fast link behind a slow one is
    taken for no longer than its own rate needs.
    """
    start = max(first, last - seconds, free)
    return start, start + seconds


class Direction:
    """One direction of a link: a queue in front of its rate, then a wire that holds every frame for a while.

    Frames leave in the order in which they came. Times are those at which things should have happened, so a loop that
    wakes late delays a frame, never the frames behind it.
    """

    __slots__ = ("bytes_per_second", "hold", "limit", "free", "held", "dropped", "passed")

    def __init__(self):
        self.bytes_per_second, self.hold, self.limit = 1.0, 0.0, 0
        self.free = 0.0
        self.held = collections.deque()  # (when the last bit arrives, when the first does, frame)
        self.dropped = self.passed = 0

    def set(self, rate, hold, limit):
        """Bit/s, seconds, bytes; for the frames to come."""
        self.bytes_per_second, self.hold, self.limit, self.free = rate / 8, hold, limit, 0.0

    def take(self, first, last, frame):
        """Queue a frame whose bits come from `first` to `last`, or drop it if the queue's limit would be passed."""
        size, rate = len(frame), self.bytes_per_second
        if (self.free - last) * rate + size > self.limit:
            self.dropped += 1
            return
        start, self.free = passage(first, last, self.free, size / rate)
        self.passed += 1
        self.held.append((self.free + self.hold, start + self.hold, frame))
