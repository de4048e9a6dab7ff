"""The adversarial trainer: critic updates and one generator update a step."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import BatchLoss, Outputs
from tfdgan.training.game import Game
from tfdgan.training.gradients import Figures, Gradients, Outcome, in_training
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
        nets = [self.generator, self.critic]
        self._generator_gradients = self._gradients_function("generator", self._generator_batch_loss, nets)

    def _updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        last = self.batches_a_step - 1
        waited, finite = self._critic_updates(step, batches, 0, last)
        real = self._batch_of(batches, last)
        last_updates = self._combining_last_updates if self.strategy.combines else self._last_updates
        outcome = last_updates(step, step * (last + 1) + last, real)
        return outcome._replace(waited=waited + outcome.waited, finite=finite & outcome.finite)

    def _last_updates(self, step: tf.Tensor, update: tf.Tensor, real: tuple[Any, ...]) -> Outcome:
        """The critic's last update, number `update`, and the generator's; mixes begin before a gradient."""
        if self._simultaneous:
            mixing, found = self._begin_generator(step, real)
        critic = self._critic_update(update, real)
        if not self._simultaneous:
            mixing, found = self._begin_generator(step, real)
        generator = self._apply("generator", mixing, found)
        join = tf.maximum if self._simultaneous else tf.add
        return _joined(critic, generator, join(critic.waited, generator.waited))

    def _combining_last_updates(self, step: tf.Tensor, update: tf.Tensor, real: tuple[Any, ...]) -> Outcome:
        """The same for strategies that mix after an update: the first player's mix runs behind the other's gradient."""
        player = self._player["generator"]
        if self._simultaneous:
            mixing, found = self._begin_generator(step, real)
            fake = self._critic_samples(update, real)  # by the generator's weights before its update
            generator = self._apply("generator", mixing, found)
            begun = self.strategy.begin_combine(player, step, True)
            with tf.control_dependencies(begun.started if begun else []):
                critic, pending = self._last_critic_update(update, real, fake)
        else:
            critic, pending = self._last_critic_update(update, real)
            mixing, found = self._begin_generator(step, real)
            generator = self._apply("generator", mixing, found)
            begun = self.strategy.begin_combine(player, step, True)
        with tf.control_dependencies([critic.finite, generator.finite]):
            waits = [
                self.strategy.end_combine(self._player[name], tensors)
                for name, tensors in (("critic", pending), ("generator", begun.pending if begun else ()))
                if tensors
            ]
        return _joined(critic, generator, critic.waited + generator.waited + tf.reduce_max([no_wait(), *waits]))

    def _begin_generator(self, step: tf.Tensor, real: tuple[Any, ...]) -> tuple[Any, Gradients]:
        samples, *labels = real

        def play() -> Gradients:
            latents = self._latents("generator latents", step)
            return self._generator_gradients(step, (latents, samples, tuple(labels)))

        return self._begin("generator", step, play)

    def _generator_batch_loss(self) -> BatchLoss:
        """The generator's loss over a batch (inputs, real samples, labels)."""
        return BatchLoss(self._generator_outputs, self._generator_value)

    def _generator_outputs(self, batch: Any) -> Outputs:
        latents, real, labels = batch
        found = {"fake": in_training(self.critic, self._generate(latents, real, labels), labels)}
        if self._game.objective.compares:
            found["real"] = in_training(self.critic, real, labels)
        return found

    def _generator_value(self, found: Outputs, batch: Any) -> tuple[tf.Tensor, Figures]:
        del batch
        scores = [found[name] for name in ("fake", "real") if name in found]
        loss = self._game.objective.generator_loss(*scores)
        return loss, {"loss/generator": loss}


def _joined(critic: Outcome, generator: Outcome, waited: tf.Tensor) -> Outcome:
    return Outcome({**critic.figures, **generator.figures}, waited, critic.finite & generator.finite)
