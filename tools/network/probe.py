"""What links really give: round trips by small datagrams, rates by TCP; over many pairs of learners at once.

Sockets belong to the namespace that they were opened in, so one process has all of them.
"""

import concurrent.futures
import contextlib
import dataclasses
import math
import os
import socket
import statistics
import struct
import time

from tools.network import links, namespaces, priority

TOLERANCE = 0.1
_ECHOES = 11
_ROUND_TRIPS = (
    20  # before counting and while counting: slow start, and the first loss's consequences, take about as many
)
_LEAST_SECONDS = 1.5
_SET_BUFFER = 33  # SO_RCVBUFFORCE, <asm-generic/socket.h>: whatever the host allows its users
_PIECE = 1 << 18
_PATIENCE = 10.0  # seconds without a byte
_ECHO_BYTES = 58  # a datagram of 16 bytes, with UDP's, IP's and Ethernet's headers
_FEWEST_FRAMES = 40  # of the longest, that are counted: one is a quarter of the tolerance
LEAST_RATE = links.MTU * 8 / (_PATIENCE / 5)  # bit/s, at which a frame takes a fifth of the patience


@dataclasses.dataclass(frozen=True)
class Found:
    """What was measured of what was asked, over all pairs: milliseconds or Mbit/s."""

    what: str
    unit: str
    pairs: tuple  # ((sender, receiver), asked, measured)

    @property
    def within(self):
        return all(abs(measured / asked - 1) <= TOLERANCE for _, asked, measured in self.pairs)

    def __str__(self):
        (sender, receiver), asked, measured = max(self.pairs, key=lambda pair: abs(pair[2] / pair[1] - 1))
        low, high = min(pair[2] for pair in self.pairs), max(pair[2] for pair in self.pairs)
        verdict = "within" if self.within else "NOT within"
        return (
            f"{self.what}: {low:.1f} to {high:.1f} {self.unit} over {len(self.pairs)} pairs, furthest off "
            f"{sender} -> {receiver}: {measured:.1f}, asked {asked:.1f}; {verdict} {TOLERANCE:.0%}"
        )


def _opened(path, rank, kind):
    """A socket in a learner's namespace."""
    with namespaces.inside(path(rank)):
        made = socket.socket(socket.AF_INET, kind)
    made.settimeout(_PATIENCE)
    return made


def _round_trip(path, sender, receiver, way, seconds):
    """The median of echoes, in seconds, as many as there is time for; one that is lost counts for none."""
    with _opened(path, receiver, socket.SOCK_DGRAM) as far, _opened(path, sender, socket.SOCK_DGRAM) as near:
        far.bind((namespaces.address(receiver), 0))
        near.connect(far.getsockname())
        took, end = [], time.monotonic() + _PATIENCE
        while len(took) < _ECHOES and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                took.append(_echo(near, far, seconds))
    return statistics.median(took) if took else math.inf


def _echo(near, far, seconds):
    near.settimeout(seconds)
    far.settimeout(seconds)
    mark, begun = os.urandom(16), time.monotonic()
    near.send(mark)
    while (came := far.recvfrom(16))[0] != mark:  # late ones of before
        pass
    far.sendto(*came)
    while near.recv(16) != mark:
        pass
    return time.monotonic() - begun


def _bulk(path, sender, receiver, way, seconds):
    """Bits a second that one TCP connection brings, counted for a while after as long a while.

    Its window fills the link and a part of its queue, so that the link is never idle, and no frame is dropped, which
    would make what came behind it count late.
    """
    rate, delay = way
    with _opened(path, receiver, socket.SOCK_STREAM) as listener, _opened(path, sender, socket.SOCK_STREAM) as near:
        # The kernel doubles it for what it adds to data, and offers from once to twice this: with b bytes on the way
        # and 64 frames or 2 b of queue, 2 (b + 16 frames) always find room.
        buffer = int(rate / 8 * 2 * delay) + links.QUEUE_FRAMES // 4 * links.MTU
        listener.setsockopt(socket.SOL_SOCKET, _SET_BUFFER, buffer)
        listener.bind((namespaces.address(receiver), 0))
        listener.listen()
        near.connect(listener.getsockname())
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end is the end of its data
        far = listener.accept()[0]
        far.settimeout(_PATIENCE)
        with far, concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(_send_on, near)
            _count(far, seconds)
            bits_a_second = _count(far, seconds)
            far.close()  # which ends the sending
            sending.result()
    return bits_a_second


def _send_on(connection):
    piece = memoryview(bytearray(_PIECE))
    try:
        while True:
            connection.sendall(piece)
    except ConnectionError:
        return


def _count(connection, seconds):
    buffer, count, begun = bytearray(_PIECE), 0, time.monotonic()
    while (took := time.monotonic() - begun) < seconds:
        count += connection.recv_into(buffer)
    return 8 * count / took


def turns(learners):
    """The pairs around the ring, (rank, the next), in two turns, three if the ring is odd: none sends and receives.

    Acknowledgements that wait behind data of the other way come in bunches, and TCP then leaves a link idle for a
    fifth of the time (Zhang, Shenker and Clark 1991): true of any such link, and not what is measured here.
    """
    pairs = [(rank, (rank + 1) % learners) for rank in range(learners)]
    last = [pairs.pop()] if learners % 2 else []
    return [turn for turn in (pairs[::2], pairs[1::2], last) if turn]


def _measure(measure, path, star):
    """[(pair, (bit/s, seconds one way), figure)]."""
    found = []
    for pairs in turns(len(star)):
        ways = [links.between(star[sender], star[receiver]) for sender, receiver in pairs]
        slowest, longest = min(rate for rate, _ in ways), max(delay for _, delay in ways)
        seconds = max(_LEAST_SECONDS, _ROUND_TRIPS * 2 * longest, _FEWEST_FRAMES * 8 * links.MTU / slowest)
        with concurrent.futures.ThreadPoolExecutor(len(pairs), initializer=priority.hurry) as pool:
            waiting = [pool.submit(measure, path, *pair, way, seconds) for pair, way in zip(pairs, ways, strict=True)]
            found += zip(pairs, ways, [each.result() for each in waiting], strict=True)
    return found


def round_trips(path, star):
    """`path(rank)` leads to a learner's namespace; `star` is the links."""
    found = _measure(_round_trip, path, star)
    return Found("round trip", "ms", tuple((pair, 1e3 * _asked(*way), 1e3 * took) for pair, way, took in found))


def _asked(rate, delay):
    """Seconds that an echo should take: both ways' delay and bits."""
    return 2 * (delay + 8 * _ECHO_BYTES / rate)


def rates(path, star):
    """Of TCP's payload: headers are 0.7% of it at an MTU of 9,000."""
    found = _measure(_bulk, path, star)
    return Found("bulk TCP", "Mbit/s", tuple((pair, rate / 1e6, bits / 1e6) for pair, (rate, _), bits in found))
