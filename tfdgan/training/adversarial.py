"""The adversarial trainer: critic updates and one generator update a step."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player
from tfdgan.training.game import Game
from tfdgan.training.gradients import Gradients, Outcome, gradients_of, in_training
from tfdgan.training.trainer import Trainer


class AdversarialTrainer(Trainer):
    """Trains a generator against a critic: the critic's updates, then one generator update a step.

    With `simultaneous` updates the generator's gradient is taken at the critic before its last update of the step, with
    `alternating` after it. Figures are those of the last critic update and of the generator's update. The time waited
    is the sum over the step; the two waits of simultaneous updates overlap, so only the longer one counts.

    Args:
      players: "critic" and "generator".
      strategy, game: as `Trainer` takes them.
      update: "simultaneous" or "alternating".
      **others: as `Trainer` takes them.
    """

    def __init__(
        self,
        players: Sequence[Player],
        strategy: Strategy,
        game: Game,
        *,
        update: str = "simultaneous",
        **others: Any,
    ) -> None:
        self._simultaneous = update == "simultaneous"
        super().__init__(players, strategy, game, **others)

    def _compile(self) -> None:
        super()._compile()
        self._generator_gradients = self._compiled(self._generator_loss_and_gradients, self._game.jit)

    def _updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        last = self.batches_a_step - 1
        waited, finite = self._critic_updates(step, batches, 0, last)
        real = self._batch_of(batches, last)
        if self._simultaneous:
            mixing, found = self._begin_generator(step, real)
        critic = self._critic_update(step * (last + 1) + last, real)
        if not self._simultaneous:
            mixing, found = self._begin_generator(step, real)
        generator = self._apply("generator", mixing, found)
        join = tf.maximum if self._simultaneous else tf.add
        return Outcome(
            {**critic.figures, **generator.figures},
            waited + join(critic.waited, generator.waited),
            finite & critic.finite & generator.finite,
        )

    def _begin_generator(self, step: tf.Tensor, real: tuple[Any, ...]) -> tuple[Any, Gradients]:
        return self._begin("generator", step, lambda latents: self._generator_gradients(latents, *real))

    def _generator_loss_and_gradients(self, latents: Any, real: Any, *labels: tf.Tensor) -> Gradients:
        weights = [v.value for v in self._player["generator"].variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            fake = self._generate(latents, real, labels)
            scores = [in_training(self.critic, fake, labels)]
            if self._game.objective.compares:
                scores.append(in_training(self.critic, real, labels))
            loss = self._game.objective.generator_loss(*scores)
        return Gradients(gradients_of(tape, loss, weights), loss, {"loss/generator": loss})
