"""What a link is, and how it is written: `100mbit`, `20ms`, `RANK:RATE[:DELAY]`."""

import dataclasses
import math
import re

from tfdgan.errors import UserError

_BITS = {"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}  # a second, as tc writes rates
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1}
MTU = 9000  # a frame costs a switch in user space the same whatever its size
QUEUE_FRAMES = 64
_QUEUE_PRODUCTS = 2


@dataclasses.dataclass(frozen=True)
class Link:
    """A learner's full-duplex link to the switch: bit/s each way, and the seconds that it holds a frame each way.

    A frame from i to j takes `hold_i + hold_j` and the time of its bits at the slower of both rates; netem, which takes
    a frame in whole before it sends it on, has its bits take their time at each of the two.
    """

    rate: float
    hold: float


def _quantity(text, units, what, example):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", text.strip().lower())
    if not found or found[2] not in units or not float(found[1]):
        raise UserError(f"{what} {text!r}: give a number above 0 and one of {', '.join(units)}, as {example}")
    return float(found[1]) * units[found[2]]


def rate(text):
    """Bits a second."""
    return _quantity(text, _BITS, "rate", "100mbit")


def delay(text):
    """Seconds."""
    return _quantity(text, _SECONDS, "delay", "20ms")


def slow(texts, learners):
    """{rank: (rate, delay or None)} of texts `RANK:RATE[:DELAY]`."""
    found = {}
    for text in texts:
        rank, *rest = text.strip().split(":")
        if not rank.isdecimal() or int(rank) >= learners or len(rest) not in (1, 2):
            raise UserError(f"slow link {text!r}: give RANK:RATE or RANK:RATE:DELAY, RANK from 0 to {learners - 1}")
        if int(rank) in found:
            raise UserError(f"slow link {text!r}: learner {int(rank)} has another already; give each learner one")
        found[int(rank)] = (rate(rest[0]), delay(rest[1]) if len(rest) == 2 else None)
    return found


def star(learners, rate, delay, slow=None):
    """A `Link` each. `delay` is one way from learner to learner; `slow` is {rank: (rate, delay or None)}.

    Half of `delay` is held on either link. A slow learner's link holds what is missing to its own delay, so that
    this is the delay between it and every other of `delay`: hold = its delay - delay / 2. Two slow learners are the sum
    of their delays less `delay` apart.
    """
    found = [Link(rate, delay / 2)] * learners
    for rank, (own_rate, own_delay) in (slow or {}).items():
        own_delay = delay if own_delay is None else own_delay
        if own_delay < delay / 2:
            raise UserError(f"slow link {rank}: its delay {own_delay:g} s is below half of the others', {delay:g} s")
        found[rank] = Link(own_rate, own_delay - delay / 2)
    return found


def between(sender, receiver):
    """(bit/s, seconds one way) of two links in a row."""
    return min(sender.rate, receiver.rate), sender.hold + receiver.hold


def queue_bytes(link, longest):
    """How much may wait for a link's bits before frames are dropped.

    Twice rate x round trip, the round trip being that to the learner with the longest hold. One is the rule that
    keeps a link busy while a sender halves its window (Villamizar and Song 1994), CUBIC needs 3/7 of it; the rest is
    room for slow start, since every loss costs a TCP transfer a round trip at least. And 64 frames, for the first
    windows of several senders at once, ten frames each (RFC 6928).
    """
    product = link.rate / 8 * 2 * (link.hold + longest)
    return max(math.ceil(_QUEUE_PRODUCTS * product), QUEUE_FRAMES * MTU)


def window_bytes(links):
    """What TCP may have under way so that the longest way can be full, its queue included."""
    longest = max(link.hold for link in links)
    return max(math.ceil(link.rate / 8 * 4 * longest) + queue_bytes(link, longest) for link in links)
