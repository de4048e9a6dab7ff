"""When a run ticks, saves and scores: pure functions of the number of steps done."""

import dataclasses

from tfdgan.training.options import RunOptions


@dataclasses.dataclass(frozen=True)
class Agenda:
    """What is due after which step.

    Attributes:
      steps: the last step. Everything is due after it.
      log_every, eval_every, checkpoint_every: steps from one tick, score or checkpoint to the next; 0: the last step
        alone, or, of scores, never.
      pretraining_steps: how many steps come before the game; the end of pretraining is kept.
    """

    steps: int
    log_every: int
    eval_every: int
    checkpoint_every: int
    pretraining_steps: int = 0

    @classmethod
    def of(cls, options: RunOptions, pretraining_steps: int) -> "Agenda":
        """The agenda of a run's options."""
        every = (options.log_every, options.eval_every, options.checkpoint_every)
        return cls(options.steps, *every, pretraining_steps)

    def saves(self, step: int) -> bool:
        """True if a checkpoint is due after `step` steps."""
        return self._is_due(step, self.checkpoint_every) or step == self.pretraining_steps

    def scores(self, step: int) -> bool:
        """True if samples are scored after `step` steps."""
        return self.eval_every > 0 and self._is_due(step, self.eval_every)

    def is_event(self, step: int) -> bool:
        """True if the learners meet after `step` steps, for whatever reason."""
        return self.saves(step) or self.scores(step) or step % self.log_every == 0

    def next_event(self, step: int) -> int:
        """The first step after `step` that is an event."""
        events = (every for every in (self.log_every, self.eval_every, self.checkpoint_every) if every)
        phases = (self.pretraining_steps,) if step < self.pretraining_steps else ()
        return min(self.steps, *phases, *(step - step % every + every for every in events))

    def _is_due(self, step: int, every: int) -> bool:
        return step == self.steps or (every > 0 and step % every == 0)
