"""Gathering and averaging values by letters between all learners; errors name a learner that is gone or stands still.

A Horovod collective waits for every learner without saying for whom, and fails for all when one ends. Letters do
neither; they need a connection between any two learners.
"""

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tfdgan.distributed import job, messages
from tfdgan.errors import LocalFault
from tfdgan.gossip.native import library

_DIALLER_SPEAKS_FIRST = 3.0  # seconds
_PEEK = 0.05  # seconds to wait for one learner before looking at the next
_WORD = 2.0  # seconds in which a supervisor would say that the process of a learner that is lost has ended
_LONG = 10  # timeouts for which a learner that lives is waited for without a word
_MOST = 32 << 20  # bytes of arrays that are combined at once: they fit into a letter, of at most 64 MiB


class Assembly:
    """The learners that are left, and what they agree on.

    A learner is lost if its process has ended, or has given no sign of life for `timeout` seconds. A learner that
    merely takes its time is waited for.

    With `degrade` the others agree on who is lost by a second round of letters, in which each says whose letters it
    got. Where two learners hear nothing of each other and others hear both, it is the way between them that is dead:
    the one with more dead ways is excluded, of equals the higher rank, by all learners alike. They agree if at most
    one learner or one way is lost in the course of one gathering; a second one ends up lost in the next.

    Where the network has split, the side with more than half of the learners that were last together goes on, at
    exactly half the one with the lowest rank; on any other side `gather` raises an error. So two parts of a job never
    both go on. Those whose process is known to have ended are on no side: who has said farewell, whose supervisor says
    so, or who was on this machine, which refuses connections to it.

    Args:
      timeout: `gossip_timeout`, seconds.
      degrade: go on among those left; else any loss is an error.
      absent: {rank: why} of those who are lost already, as a learner knows that joins late.
    """

    def __init__(self, timeout: float, degrade: bool, absent: Mapping[int, str] = {}) -> None:
        self._rank, self._size, self._timeout, self.degrades = job.rank(), job.size(), timeout, degrade
        self._numbers = itertools.count()
        self._lost = dict(absent)
        for rank in range(self._rank + 1, self._size):  # now: a learner late for its first gathering is not silent
            library.pulse(rank)

    @property
    def ranks(self) -> list[int]:
        """Who is left, ascending."""
        return [rank for rank in range(self._size) if rank not in self._lost]

    @property
    def lost(self) -> dict[int, str]:
        """{rank: why}, agreed by all that are left in the last gathering."""
        return dict(self._lost)

    def readmit(self, ranks: Collection[int], number: int) -> None:
        """Go on with learners that are there again; all learners call it between the same gatherings.

        Args:
          ranks: whom `library.readmit` has taken in.
          number: of the next round of letters, above all so far.
        """
        self._numbers = itertools.count(number)
        self._lost = {rank: why for rank, why in self._lost.items() if rank not in ranks}

    def gather(self, value: Any) -> list[Any]:
        """[value of each learner in `ranks`], on every one of them; any value that `messages.encode` takes.

        Raises:
          LocalFault: a learner is lost; with `degrade` only where it is this one, as the others see it.
        """
        if self.degrades:
            self._await_word()
        values, lost, unheard = self._round(dict.fromkeys(self.ranks, value), _gone())
        if self.degrades:
            views, lost, _ = self._round(dict.fromkeys(self.ranks, unheard), lost, unheard)
            lost = _agreed(self.ranks, views, lost)
            if self._rank in lost:
                raise LocalFault(f"gossip: the other learners have given this one up: it {lost[self._rank]}")
            for rank, why in lost.items():
                library.give_up(rank, why)
            self._lost |= lost
        else:
            _refuse(lost)
        return [values[rank] for rank in self.ranks]

    def mean(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The mean of each NumPy array over the learners in `ranks`, as `total`."""
        return self._combined(arrays, np.mean)

    def total(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The sum of each NumPy array over the learners in `ranks`, in the array's type.

        Sums are taken in float64 in ascending rank.

        Each learner forms the sum of its share of every array and passes it on: as many bytes as all-reduce, two
        latencies for each 32 MiB, up to four times these and the results in memory. With `degrade` every learner is
        sent each array whole instead, since the share of one that is lost would be missing.

        Raises:
          LocalFault: as `gather`.
        """
        return self._combined(arrays, np.sum)

    def _await_word(self) -> None:
        """Wait a little for those who are lost, and may live: it matters where the job may have split."""
        until = time.monotonic() + _WORD
        while time.monotonic() < until:
            if all(loss.has_ended for rank, loss in library.losses().items() if rank in self.ranks):
                return
            time.sleep(_PEEK)

    def _combined(self, arrays: Sequence[np.ndarray], combine: Callable[..., np.ndarray]) -> list[np.ndarray]:
        whole = [np.empty_like(array) for array in arrays]
        for pieces in _batches(arrays):
            found = self._combined_at_once([arrays[i].reshape(-1)[cut] for i, cut in pieces], combine)
            for (i, cut), piece in zip(pieces, found, strict=True):
                whole[i].reshape(-1)[cut] = piece
        return whole

    def _combined_at_once(self, arrays: Sequence[np.ndarray], combine: Callable[..., np.ndarray]) -> list[np.ndarray]:
        """The same of flat arrays that fit into letters together."""

        def of(parts: Sequence[np.ndarray]) -> np.ndarray:
            return combine(parts, axis=0, dtype=np.float64).astype(parts[0].dtype)

        if self.degrades:
            return [of(parts) for parts in zip(*self.gather(list(arrays)), strict=True)]
        cut = [np.array_split(array, self._size) for array in arrays]
        shares, lost, _ = self._round({rank: [parts[rank] for parts in cut] for rank in self.ranks}, _gone())
        _refuse(lost)
        mine = [of(parts) for parts in zip(*(shares[rank] for rank in self.ranks), strict=True)]
        return [np.concatenate(parts) for parts in zip(*self.gather(mine), strict=True)]

    def _round(
        self, mine: Mapping[int, Any], lost: Mapping[int, str], unheard: Mapping[int, str] = {}
    ) -> tuple[dict[int, Any], dict[int, str], dict[int, str]]:
        """What each learner left has sent here; who is gone as far as any of them knows; who cannot be heard, and why.

        Returns: {rank: value}, {rank: why} and {rank: why}. Without `degrade` those not heard count as gone.

        Args:
          mine: {rank: the value for this learner}.
          lost: {rank: why}, as far as this learner knows.
          unheard: {rank: why} of those who are written to, and not waited for: a way that is dead in one direction may
            bring a sign now and then, for which the others would have to wait, too.
        """
        lost, number = dict(lost), next(self._numbers)
        silent = {rank: why for rank, why in library.lost().items() if rank in self.ranks and rank not in lost}
        others = [rank for rank in self.ranks if rank != self._rank and rank not in lost | silent]
        bodies: dict[int, bytes] = {}  # one for all, where all get the same
        for rank in others:
            key = id(mine[rank])
            bodies[key] = bodies.get(key) or messages.encode((mine[rank], lost))
            library.send_letter(rank, number, bodies[key])
        silent |= unheard
        values, begun = {self._rank: mine[self._rank]}, time.monotonic()
        named: set[int] = set()
        seen: dict[int, float] = {}  # when a loss was seen of which no end is known
        while waiting := [rank for rank in others if rank not in values | lost | silent]:
            gone = library.losses()  # asked first: a letter comes before its sender counts as gone
            for rank in waiting:
                letter = library.take_letter(rank, number, _PEEK)
                if letter is None and rank in gone:
                    time.sleep(_PEEK)  # of who is lost nothing is waited for
                if letter is not None:
                    values[rank], theirs = _read(letter, rank)
                    lost |= theirs
                    continue
                seconds = library.silent_for(rank)
                if seconds is None:  # never connected: who dials knows why a little later
                    patience = self._timeout + (0 if self.degrades else _DIALLER_SPEAKS_FIRST)
                    if time.monotonic() - begun > patience:
                        silent[rank] = f"has not connected for {self._timeout:g} s"
                elif seconds > self._timeout:
                    silent[rank] = f"is late: no sign of life for {self._timeout:g} s"
            # A learner that has written counts as here, even if it is gone by now: the next gathering will find out.
            for rank, loss in gone.items():
                if rank not in others or rank in values:
                    continue
                if loss.has_ended:
                    lost[rank] = loss.why
                elif not self.degrades or time.monotonic() - seen.setdefault(rank, time.monotonic()) >= _WORD:
                    silent[rank] = loss.why
            _check_wanted(gone)
            if time.monotonic() - begun > _LONG * self._timeout:
                awaited = {rank for rank in waiting if rank not in values | lost | silent}
                here = (rank for rank in values if rank not in lost | silent | gone)
                if self._rank == min(here, default=self._rank):  # one speaks
                    self._name(awaited - named)
                named |= awaited
            if (lost or silent) and not self.degrades:
                lost = silent | lost
                break
        return {rank: value for rank, value in values.items() if rank not in lost}, lost, silent

    def _name(self, awaited: Collection[int]) -> None:
        """Say who is waited for though it gives signs of life."""
        for rank in sorted(awaited):
            text = (
                f"warning: {library.named(rank)} has been waited for {_LONG * self._timeout:g} s: its process gives "
                "signs of life, and has not come to where the others are"
            )
            with contextlib.suppress(OSError):  # nobody reads any more
                print(text, file=sys.stderr, flush=True)


def _batches(arrays: Sequence[np.ndarray]) -> list[list[tuple[int, slice]]]:
    """(array, part of it when it is flat) of all arrays in order, in lists of at most `_MOST` bytes."""
    batches: list[list[tuple[int, slice]]] = [[]]
    room = _MOST
    for index, array in enumerate(arrays):
        begin = 0
        while begin < array.size:
            if room < array.itemsize:
                batches.append([])
                room = _MOST
            end = min(array.size, begin + room // array.itemsize)
            batches[-1].append((index, slice(begin, end)))
            room -= (end - begin) * array.itemsize
            begin = end
    return batches


def _gone() -> dict[int, str]:
    """{rank: why} of learners whose processes have ended, as far as this one knows."""
    losses = library.losses()
    _check_wanted(losses)
    return {rank: loss.why for rank, loss in losses.items() if loss.has_ended}


def _check_wanted(losses: Mapping[int, library.Loss]) -> None:
    """Raise `LocalFault` if another learner has given this one up: who goes on all the same makes a second history."""
    for rank, loss in losses.items():
        if loss.gave_up:
            raise LocalFault(f"gossip: {library.named(rank)} {loss.why}")


def _agreed(ranks: Sequence[int], unheard: Mapping[int, Mapping[int, str]], gone: Mapping[int, str]) -> dict[int, str]:
    """{rank: why} of the learners to go on without, the same on every learner that knows the same.

    Args:
      ranks: who was there.
      unheard: {rank: {whom it could not hear: why}}, of every learner that was heard to say so.
      gone: {rank: why} of learners whose processes have ended.
    """
    lost = {rank: why for rank, why in gone.items() if rank in ranks}
    # Who misses the view of a learner that the others exclude may still name that learner the next time.
    left = set(ranks) - set(lost)
    dead = [(rank, other) for rank in sorted(unheard) for other in unheard[rank] if {rank, other} <= left]
    sides = _sides(left, {frozenset(way) for way in dead})
    if len(sides) > 1:
        first = max(sides, key=lambda side: (len(side), -min(side)))
        goes_on = (2 * len(first), -min(first)) >= (len(left), -min(left))
        for side in sides:
            if side is first and goes_on:
                continue
            why = f"is one of {len(side)} that hear each other, of {len(left)} learners that were last together"
            for rank in side:
                lost[rank] = next((unheard[r][rank] for r, other in dead if other == rank and r not in side), why)
        dead = [way for way in dead if not set(way) & set(lost)]
    while dead:
        ways = {frozenset(way) for way in dead}
        worst = max(ranks, key=lambda rank: (sum(rank in way for way in ways), rank))
        whys = [unheard[rank][other] for rank, other in dead if other == worst]
        lost[worst] = whys[0] if whys else "cannot hear another learner, which cannot hear it"
        dead = [way for way in dead if worst not in way]
    return lost


def _sides(ranks: Collection[int], dead: Collection[frozenset[int]]) -> list[set[int]]:
    """The learners in sets: within each there is a way between any two, perhaps by others, and none between sets."""
    sides: list[set[int]] = []
    for rank in sorted(ranks):
        reached = [side for side in sides if any(frozenset((rank, other)) not in dead for other in side)]
        sides = [side for side in sides if side not in reached] + [{rank}.union(*reached)]
    return sides


def _read(letter: bytes, rank: int) -> tuple[Any, dict[int, str]]:
    """(value, {rank: why}) of a learner's letter."""
    try:
        value, lost = messages.decode(letter)
        return value, {_as_rank(other): _as_line(why) for other, why in lost.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise LocalFault(f"gossip: learner {rank} sent a letter that cannot be read: {error}") from error


def _as_rank(other: Any) -> int:
    if type(other) is not int or not 0 <= other < job.size():
        raise ValueError(f"no learner: {other!r:.20}")
    return other


def _as_line(why: Any) -> str:
    """A peer's text in one line of at most 400 characters that can be written anywhere."""
    return "".join(c if c.isprintable() else "?" for c in str(why)[:400]).encode(errors="replace").decode()


def _refuse(lost: Mapping[int, str]) -> None:
    """Raise `LocalFault` if anybody is lost."""
    if lost:
        first = min(lost)
        raise LocalFault(f"gossip: {library.named(first)} {lost[first]}; {library.named(job.rank())} waits for it")
