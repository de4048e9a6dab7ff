"""Gathering values from the learners that are left, by letters between all of them.

Horovod's collectives need every learner of the job. A job that is to outlive some of them (`--on_peer_loss=degrade`)
gathers its ticks and checkpoints by this instead. It costs a connection between any two learners.
"""

import itertools
import pickle
import time

import horovod.tensorflow as hvd

from tfdgan.errors import LocalFault
from tfdgan.gossip.native import library

_PEEK = 0.02  # seconds to wait for one learner before looking at the next


class Assembly:
    """The learners that are left, and what they agree on.

    Two rounds of letters a gathering: values, then who got whose. So all agree on the values and on who is lost, if
    at most one learner is lost in the course of one gathering; a second one ends up lost in the next.

    Args:
      timeout: `gossip_timeout`; a learner that does not write for twice as long is lost. Twice, since it may have
        waited once for another that is lost.
    """

    def __init__(self, timeout):
        self._rank, self._size, self._patience = hvd.rank(), hvd.size(), 2 * timeout
        self._numbers = itertools.count()
        self._lost = {}

    @property
    def ranks(self):
        """Who is left, ascending."""
        return [rank for rank in range(self._size) if rank not in self._lost]

    @property
    def lost(self):
        """{rank: why}, agreed by all that are left in the last gathering."""
        return dict(self._lost)

    def gather(self, value):
        """[value of each learner in `ranks`], on every one of them; any picklable value.

        Raises:
          LocalFault: learner 0 is lost, which alone writes what the job leaves behind.
        """
        lost = {**library.lost(), **self._lost}
        values, heard = self._round((value, lost))
        lost |= heard
        letters = {rank: of_rank for rank, (of_rank, _) in values.items()}
        views, heard = self._round((set(letters), lost), lost)
        lost |= heard
        for _, theirs in views.values():
            lost |= theirs
        for rank, why in lost.items():
            library.give_up(rank, why)
        self._lost |= lost
        if 0 in self._lost:
            raise LocalFault(f"learner 0 is lost, which keeps logs and checkpoints: {self._lost[0]}")
        return [letters[rank] for rank in self.ranks]

    def _round(self, mine, lost=None):
        """({rank: letter}, {rank: why}): letters from everybody left, and those who have turned out to be lost."""
        lost = dict(lost or mine[1])
        number, body = next(self._numbers), pickle.dumps(mine)
        waiting = [rank for rank in self.ranks if rank != self._rank and rank not in lost]
        for rank in waiting:
            library.send_letter(rank, number, body)
        letters, until = {self._rank: mine}, time.monotonic() + self._patience
        while waiting := [rank for rank in waiting if rank not in letters and rank not in lost]:
            for rank in waiting:
                letter = library.take_letter(rank, number, _PEEK)
                if letter is not None:
                    letters[rank] = pickle.loads(letter)
                    lost |= letters[rank][1]
                elif time.monotonic() > until:
                    lost.setdefault(rank, f"is late: learner {self._rank} had no word of it for {self._patience:g} s")
            lost |= library.lost()
        return {rank: letter for rank, letter in letters.items() if rank not in lost}, lost
