"""The learners of a run that come and go: who is lost is left out, who is back is let in, whoever is slow is named."""

import statistics

from tfdgan.distributed import collectives, launch
from tfdgan.gossip.native import library
from tfdgan.training.admission import Admission
from tfdgan.training.arrival import Arrived, state_of
from tfdgan.training.monitor import say
from tfdgan.training.record import Record, is_writer, say_once
from tfdgan.training.trainer import Trainer

_SLOW, _TICKS = 4.0, 5  # times the median step, for so many ticks in a row


class Company:
    """The learners that train together. All call its methods at the same ticks.

    Args:
      trainer: of this learner.
      admission: lets learners in; None where nobody can come back.
      known: {rank: why} of those who are lost already.
    """

    def __init__(self, trainer: Trainer, admission: Admission | None, known: dict[int, str]) -> None:
        self._trainer, self._admission, self._lost = trainer, admission, dict(known)
        self._reconnections = 0
        self._told_last: set[int] = set()  # losses of the last tick that had some, and who told of them
        self._speaker: int | None = None
        self._slow: set[int] = set()
        self._late: dict[int, int] = {}  # {learner: ticks in a row at which it was slow}

    @property
    def wanted(self) -> bool:
        """True if this learner has a guest that can be let in."""
        return self._admission is not None and self._admission.wanted()

    def meet_losses(self, step: int) -> None:
        """Say who has been lost since the last tick, and go on without them."""
        lost = collectives.lost()
        if lost.keys() == self._lost.keys():
            self._told_last = set()  # who told of them is there
            return
        new = set(lost) - set(self._lost)
        # Who was to tell of the last losses may have gone before it could.
        self._told_last = new | (self._told_last & set(lost) if self._speaker in new else set())
        self._speaker = collectives.ranks()[0]
        for learner in sorted(self._told_last):
            say_once(f"step {step}: learner {learner} is lost, it {lost[learner]}; {len(collectives.ranks())} go on")
        self._lost = lost
        if is_writer():
            launch.take_floor()
        self._trainer.restrict_to(collectives.ranks())
        if self._admission:
            self._admission.keep_roster()

    def meet_guests(self, step: int, following: int, wanted: bool, record: Record, resets: int) -> bool:
        """Let those in who were appointed at the last tick, and appoint who is ready by now; True if it took time.

        Args:
          following: the step of the next tick.
          wanted: whether any learner has a guest that can be let in.
          resets: how often learners were set back.
        """
        admission = self._admission
        if admission is None:
            return False
        if wanted:  # before anybody comes in, who does not know of this gathering
            admission.appoint(following)
        expected, guests = admission.expected(step), list[int]()
        if expected:
            speaks = is_writer()  # the next writer may be one of them
            record.make_way(expected[0])
            memory = {**record.memory(), "resets": resets, "reconnections": self._reconnections}
            guests = admission.let_in(step, memory)
        if guests:
            # Who was lost meanwhile is met at the next tick.
            self._lost = {rank: why for rank, why in self._lost.items() if rank not in guests}
            self._trainer.restrict_to(collectives.ranks())
            self._trainer.reset_strategies()
            for learner in guests if speaks else ():
                say(f"step {step}: {library.named(learner)} is back; {len(collectives.ranks())} go on")
        gave = admission.give_state(step, lambda: state_of(self._trainer))
        return gave or bool(guests)

    def meet_reconnections(self, step: int, count: int) -> None:
        """Say how many connections have broken and come back, of `count` in all."""
        if count > self._reconnections:
            say_once(f"step {step}: {count - self._reconnections} connection(s) broke and came back; nothing is lost")
        self._reconnections = count

    def meet_paces(self, step: int, seconds: dict[int, float]) -> None:
        """Say which learners the others wait for, and again when they keep up.

        Args:
          seconds: {learner: seconds a step that it did not wait for others}.
        """
        usual = statistics.median(seconds.values())
        if usual <= 0:  # nobody did anything but wait
            return
        late = [learner for learner, each in seconds.items() if len(seconds) > 2 and each > _SLOW * usual]
        self._late = {learner: self._late.get(learner, 0) + 1 for learner in late}
        slow = {learner for learner, ticks in self._late.items() if ticks >= _TICKS}
        for learner in sorted(slow - self._slow):
            say_once(
                f"step {step}: learner {learner} is slow, {seconds[learner] / usual:.1f} times the median step; "
                "its neighbours wait for it"
            )
        for learner in sorted((self._slow - slow) & set(seconds)):
            say_once(f"step {step}: learner {learner} keeps up again")
        self._slow = slow

    def begin(self, step: int) -> None:
        """The learners are there from the start of this run, after `step` steps."""
        if self._admission:
            self._admission.meet(step)

    def come_in(self, arrived: Arrived) -> None:
        """This learner has been let in, and is told what the others remember."""
        self._lost, self._reconnections = collectives.lost(), arrived.memory["reconnections"]
        if self._admission:
            self._admission.open(arrived.assembly, arrived.step, arrived.appointed)

    def close(self, over: str, well: bool = True) -> None:
        """Take in nobody any more, since the job is over; the arguments are as `Admission.close` takes them."""
        if self._admission:
            self._admission.close(over, well)
