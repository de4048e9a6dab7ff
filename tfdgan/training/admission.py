"""Free places of a running job, and how a process takes one at a tick: the part of the learners that are there."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfdgan import distributed
from tfdgan.distributed import collectives, job, roster
from tfdgan.distributed.lobby import Lobby
from tfdgan.distributed.roster import Roster
from tfdgan.errors import UserError
from tfdgan.gossip.native import bootstrap, reception, wire_key
from tfdgan.gossip.native.assembly import Assembly
from tfdgan.gossip.native.sealer import Sealer
from tfdgan.training.monitor import say

_CALLS_A_STEP = 24  # bits: fewer mixes than 2^24 of one channel, and fewer letters, come with one step


class _Appointment(NamedTuple):
    """Whose guest it is, where it listens, and after which step it is let in."""

    host: int
    learner: dict[str, Any]
    step: int


class Admission:
    """The lobby of a learner, and what all learners do at ticks to let somebody in.

    A guest builds its nets by itself, is given the state of the learner whose lobby it came to, and is let in at the
    tick after the one at which all learners hear that it has loaded them. From then on the others mix with it.

    Args:
      assembly: carries what learners agree on; None before a learner that joins has been let in.
      workdir: where the roster is kept on this host.
      facts: {name: value} that a guest is told, so that it can see whether it may take part.
    """

    def __init__(self, assembly: Assembly | None, workdir: str, facts: Mapping[str, Any]) -> None:
        self._assembly, self._facts, self._step = assembly, dict(facts), 0
        self._path = os.path.join(workdir, roster.NAME)
        self._appointed: dict[int, _Appointment] = {}  # by place
        self._is_open = False
        running = bootstrap.running()
        listener, self.place = reception.listen(running.settings)
        key = wire_key.of_lobbies(running.key)
        self._lobby = Lobby(listener, running.salt, key, self._receive, reception.usable, Sealer, reception.note_end)
        running.learners[distributed.rank()]["lobby"] = self.place

    def meet(self, step: int) -> None:
        """Tell each other where lobbies are, and take in guests from now on; all learners call it together."""
        places = collectives.gather(self.place, "lobbies")
        for rank, place in zip(collectives.ranks(), places, strict=True):
            bootstrap.running().learners[rank]["lobby"] = place
        self.open(self._assembly, step)

    def open(self, assembly: Assembly | None, step: int, appointed: Mapping[int, Sequence[Any]] = {}) -> None:
        """Take in guests from now on, after `step` steps, knowing where the lobbies are.

        Args:
          appointed: {place: appointment} that the others know of, for a learner that joins.
        """
        self._assembly, self._step = assembly, step
        self._appointed = {rank: _Appointment(*one) for rank, one in appointed.items()}
        try:
            roster.write_key(self._path, bootstrap.running().key)
        except OSError as error:
            path = roster.key_file(self._path)
            say(f"warning: {path}: cannot be written ({error.strerror}); nobody can join from here")
        self._is_open = True
        self.keep_roster()
        mine = bootstrap.running().learners[distributed.rank()]
        roster.note(distributed.rank(), mine["process"], self._path)

    def wanted(self) -> bool:
        """True if a guest of this learner can be appointed."""
        return bool(self._candidates())

    def give_state(self, step: int, make: Callable[[], Mapping[str, np.ndarray]]) -> bool:
        """Send this learner's state, which `make` copies, to guests that wait for it; False if there are none.

        Args:
          step: steps done.
        """
        self._step = step
        for rank in self._lobby.loaded():
            if rank in collectives.ranks():  # another learner's guest was quicker
                self._lobby.tell(rank, "taken", f"learner {rank} is there by now")
        return self._lobby.give_state(make)

    def appoint(self, following: int) -> None:
        """Agree on whom to let in after step `following`; all learners call it together."""
        everyone = collectives.gather(self._candidates(), "admission.guests")
        for host, guests in zip(collectives.ranks(), everyone, strict=True):
            for rank, learner in guests.items():
                if rank not in self._appointed:
                    self._appointed[rank] = _Appointment(host, learner, following)
                    if host == distributed.rank():
                        self._lobby.tell(rank, "appointed", following)

    def expected(self, step: int) -> list[int]:
        """The places, ascending, that are to be taken after `step` steps; the same on every learner."""
        here = collectives.ranks()
        self._appointed = {rank: one for rank, one in self._appointed.items() if one.host in here and rank not in here}
        return sorted(rank for rank, one in self._appointed.items() if one.step <= step)

    def let_in(self, step: int, memory: Mapping[str, Any]) -> list[int]:
        """Let those in who are expected, after `step` steps; all learners call it together, between the same mixes.

        Args:
          memory: what they have to know of the run.

        Returns:
          Who came in: a guest may have gone meanwhile, or the learner whose guest it was.
        """
        if self._assembly is None:
            raise RuntimeError("Admission.open comes before Admission.let_in")
        there = set(self._lobby.loaded())
        mine = [rank for rank, one in self._appointed.items() if one.host == distributed.rank() and rank in there]
        everyone = collectives.gather((mine, bootstrap.running().first), "admission.there")
        there = {rank for theirs, _ in everyone for rank in theirs}
        # An earlier run of these processes may have gone further.
        first = max(step << _CALLS_A_STEP, *(former + (1 << _CALLS_A_STEP) for _, former in everyone))
        due = {rank: self._appointed.pop(rank) for rank in self.expected(step)}
        ranks = [rank for rank in due if rank in there]
        bootstrap.readmit({rank: due[rank].learner for rank in ranks}, first)
        collectives.gather(None, "admission.barrier")  # everybody has: whom one learner turns away has lost it
        self._assembly.readmit(ranks, first)
        told = {
            "first": first,
            "learners": bootstrap.running().learners,
            "ranks": self._assembly.ranks,
            "lost": self._assembly.lost,
            "memory": dict(memory),
            "appointed": {rank: tuple(one) for rank, one in self._appointed.items()},  # they are to meet them, too
        }
        for rank in ranks:
            if due[rank].host == distributed.rank():
                self._lobby.tell(rank, "in", told)
        self.keep_roster()
        return ranks

    def keep_roster(self, over: str | None = None, well: bool = True) -> None:
        """Write down who is there, the same on every learner; a disk that fails is no reason to stop."""
        if not self._is_open:  # who is not in yet does not speak for the job
            return
        learners = bootstrap.running().learners
        lobbies = {rank: learners[rank]["lobby"] for rank in collectives.ranks() if "lobby" in learners[rank]}
        with contextlib.suppress(OSError):  # it is written again with the next change
            roster.write(self._path, Roster(lobbies, over, well))

    def close(self, over: str, well: bool) -> None:
        """Take in nobody any more, since the job is over.

        Args:
          over: words on how.
          well: whether as it should.
        """
        self.keep_roster(over, well)
        if self._is_open:
            roster.remove_key(self._path)
        self._lobby.close("over", over)

    def leave(self) -> None:
        """Take in nobody any more here; the others may go on. Safe to call after `close`."""
        self._lobby.close("left", "the learner that was asked has left the job")

    def _candidates(self) -> dict[int, dict[str, Any]]:
        """{place: where its guest listens} of this learner's guests that have loaded, and are not appointed yet."""
        taken = {*collectives.ranks(), *self._appointed}
        return {rank: learner for rank, learner in self._lobby.loaded().items() if rank not in taken}

    def _receive(self, said: dict[str, Any], promised: set[int]) -> tuple[int | None, dict[str, Any], bool]:
        """What to answer to a guest; on a thread of the lobby."""
        running, here = bootstrap.running(), collectives.ranks()
        free = [rank for rank in range(job.size()) if rank not in here and rank not in promised]
        asked, seals = int(said["rank"]), bool(said["seals"])
        if asked >= job.size():
            return None, {"problem": f"--learner={asked}: learners are numbered from 0 to {job.size() - 1}"}, False
        if not self._is_open or not free or (asked >= 0 and asked not in free):
            whose = f"the place of learner {asked} is" if asked >= 0 else "all places are"
            words = f"{whose} taken, as far as learner {distributed.rank()} knows"
            return None, {"later": words, "lobbies": reception.lobbies()}, False
        try:
            encrypts = reception.encrypts(said["machine"], seals)
        except UserError as error:
            return None, {"problem": error.as_flags()}, False
        told = {"size": job.size(), "ranks": here, "step": self._step, "facts": self._facts}
        told["learners"] = running.learners
        return (asked if asked >= 0 else free[0]), told, encrypts
