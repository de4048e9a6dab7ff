"""What trainers share: players, the critic's update, the compiled step."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.models import spectral_norm
from tfdgan.optimizers import linear_decay
from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training.average import ModelAverage
from tfdgan.training.batch_loss import BatchLoss, GradientsFunction, Outputs
from tfdgan.training.compiled import compiled
from tfdgan.training.game import CriticLoss, Game
from tfdgan.training.gradients import Figures, Gradients, Outcome, apply_gradients, in_training, inputs_of
from tfdgan.training.noise import Noise
from tfdgan.training.pretraining import Pretraining
from tfdgan.training.step_loop import looped

WAITING = "time/waiting"
SEED_STATE = "seed_generator_state"  # of Keras' SeedGenerator: a seed and a counter


class Trainer(abc.ABC):
    """Base of the trainers: a generator against a critic, and whoever else plays.

    A subclass defines `_updates`, the updates of a step. A gradient with NaN or Inf is never applied, so weights that
    are sent are finite; `fault_step` is the first step with such a gradient.

    `step(step, batch)` takes one step of the game, compiled. `step` is a scalar int64 tensor, from 0; `batch` holds
    samples, float32 [critic_steps * batch_size, *sample_shape] or int32 words. With labels it is (samples, labels int32
    [...]), and generated samples have the labels of the real ones. It returns {name: scalar float64}.
    The first `pretraining.steps` steps of a run are not steps of the game; `steps` takes steps of either kind.

    Args:
      players: "critic", "generator" and others, in the order in which they are exchanged.
      strategy: of these players.
      game: what they play.
      pretraining: the phase before the game, if there is one.
      ema_decay: decay of the generator's running average; 0 keeps none.

    Attributes:
      generator, critic: the nets.
      players, strategy: as given.
      average: the generator's running average, or None.
    """

    def __init__(
        self,
        players: Sequence[Player],
        strategy: Strategy,
        game: Game,
        *,
        pretraining: Pretraining | None = None,
        ema_decay: float = 0.999,
    ) -> None:
        self.players, self.strategy, self._game, self._pretraining = list(players), strategy, game, pretraining
        self._player = {player.name: player for player in self.players}
        self.generator, self.critic = self._player["generator"].model, self._player["critic"].model
        self._critic_loss = self._make_critic_loss()
        self.average = ModelAverage(self.generator, ema_decay) if ema_decay else None
        self.fault_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._compile()

    @abc.abstractmethod
    def _updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        """The updates of one step.

        Args:
          step: scalar int64.
          batches: the step's batch, or samples and labels of it, as a tuple of [critic_steps, batch_size, ...].
        """

    def _make_critic_loss(self) -> CriticLoss:
        return CriticLoss(self.critic, self._game)

    def diagnose(self, step: int) -> dict[str, float]:
        """Figures that cost too much for every step, of the nets after `step` steps. Nothing is changed."""
        del step
        return {}

    def steps(self, first: int, count: int, batches: Any) -> dict[str, tf.Tensor]:
        """The means of the figures of `count` steps from `first`, all of one phase; `batches`: a data iterator."""
        if self._pretraining and first == self._pretraining.steps:
            self.strategy.reset()  # what it keeps of the weights is from before pretraining
        loop = self._pretraining_steps if self._pretrains(first) else self._game_steps
        return loop(tf.constant(np.int64(first)), tf.constant(np.int64(count)), batches)  # (TensorFlow keeps Python's)

    def bytes_a_step(self, step: int) -> float | None:
        """What a learner sends in step number `step`, as `Strategy.bytes_a_step` has it."""
        strategy = self._pretraining.strategy if self._pretraining and step < self._pretraining.steps else self.strategy
        return strategy.bytes_a_step()

    def _pretrains(self, step: int) -> bool:
        return self._pretraining is not None and step < self._pretraining.steps

    def _compile(self) -> None:
        """Make the compiled functions anew. Each is traced once, however often a step calls it."""
        self._samples = compiled(self._generate, self._game.jit)
        self._critic_gradients = self._gradients_function("critic", self._critic_batch_loss, [self.critic])
        self._critic_update = compiled(self._update_critic)
        self._last_critic_update = compiled(self._begin_last_critic_update)
        self.step = compiled(self._step)
        self._game_steps = looped(self.step)
        if pretraining := self._pretraining:

            def pretraining_step(step: tf.Tensor, batch: Any) -> dict[str, tf.Tensor]:
                return self._any_step(step, batch, pretraining.strategy, pretraining.updates)

            self._pretraining_steps = looped(compiled(pretraining_step))

    def _gradients_function(
        self, name: str, make: Callable[..., BatchLoss], nets: Sequence[keras.Model]
    ) -> GradientsFunction:
        """The gradients of a player's loss: the arguments are as `GradientsFunction` takes them."""
        weights = [v.value for v in self._player[name].variables]
        return GradientsFunction(make, weights, nets, self._game.noise_every, self._game.jit)

    def restrict_to(self, ranks: Sequence[int]) -> None:
        """Go on with the learners `ranks`: the others are lost, and of those lost before some may be back."""
        if any([strategy.restrict_to(ranks) for strategy in self._strategies]):
            self._compile()

    def reseed_for_learner(self, learner: int) -> None:
        """Give this learner random states (of dropout) of its own; before, every learner has those of learner 0."""
        for player in self.players:
            for variable in player.model.variables:
                if variable.name == SEED_STATE:
                    state = tf.convert_to_tensor(variable)
                    variable.assign(state + tf.cast([learner * 7919, 0], state.dtype))

    def continue_from(self, step: int) -> None:
        """Let decaying learning rates continue at `step`, even if the optimizers are new."""
        first = self._pretraining.steps if self._pretraining else 0
        for player in self.players:
            if schedule := linear_decay.schedule_of(player.optimizer):
                updates = max(0, step - first) * player.updates
                schedule.offset.assign(updates - tf.cast(player.optimizer.iterations.value, tf.int64))

    def reset(self) -> None:
        """Take the nets' present weights as the start: no history in the strategy or the average."""
        self.reset_strategies()
        if self.average:
            self.average.reset()

    def reset_strategies(self) -> None:
        """Take the nets' present weights as the start of the strategies; the average stays."""
        for strategy in self._strategies:
            strategy.reset()

    @property
    def _strategies(self) -> list[Strategy]:
        return [self.strategy, *([self._pretraining.strategy] if self._pretraining else [])]

    @property
    def state(self) -> dict[str, list[Any]]:
        """{group: variables}: everything that a learner needs to go on as if never interrupted."""
        groups = {f"model/{player.name}": player.model.variables for player in self.players}
        groups |= {f"optimizer/{player.name}": player.optimizer.variables for player in self.players}
        groups |= {f"strategy/{name}": variables for name, variables in self.strategy.state.items()}
        if self._pretraining:
            groups["optimizer/pretraining"] = self._pretraining.player.optimizer.variables
            kept = self._pretraining.strategy.state
            groups |= {f"strategy/pretraining/{name}": variables for name, variables in kept.items()}
        if self.average:
            groups["average/generator"] = self.average.variables
        return groups

    @property
    def batches_a_step(self) -> int:
        """How many batches of real samples a step takes."""
        return self._player["critic"].updates

    def _step(self, step: tf.Tensor, batch: Any) -> dict[str, tf.Tensor]:
        self._game.feed.begin_step(step)
        return self._any_step(step, batch, self.strategy, self._updates)

    def _any_step(
        self, step: tf.Tensor, batch: Any, strategy: Strategy, updates: Callable[..., Outcome]
    ) -> dict[str, tf.Tensor]:
        count, size = self.batches_a_step, self._game.batch_size
        batch = batch if isinstance(batch, tuple) else (batch,)
        batches = tf.nest.map_structure(lambda x: tf.reshape(x, [count, size, *x.shape[1:]]), batch)
        begun = strategy.begin_step(step)
        with tf.control_dependencies(strategy.started(begun)):
            figures, waited, finite = updates(step, batches)
        waited += strategy.end_step(begun)
        if self.average:
            self.average.update(step)
        self.fault_step.assign(tf.where((self.fault_step < 0) & ~finite, step, self.fault_step))
        return {**{name: tf.cast(value, tf.float64) for name, value in figures.items()}, WAITING: waited}

    def _critic_updates(
        self, step: tf.Tensor, batches: tuple[tf.Tensor, ...], first: int, last: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Critic updates number `first` to `last` - 1 of a step: (seconds waited, whether all is finite)."""
        updates = self.batches_a_step

        def update(index: tf.Tensor, waited: tf.Tensor, finite: tf.Tensor) -> tuple[tf.Tensor, ...]:
            found = self._critic_update(step * updates + index, self._batch_of(batches, index))
            return index + 1, waited + found.waited, finite & found.finite

        so_far = (tf.constant(first, tf.int64), no_wait(), tf.constant(True))
        if last > first:
            so_far = tf.while_loop(lambda index, *_: index < last, update, so_far, parallel_iterations=1)
        return so_far[1:]

    def _update_critic(self, update: tf.Tensor, real: tuple[Any, ...]) -> Outcome:
        """One critic update, and what the strategy mixes after it."""
        outcome = self._play_critic(update, real)
        return outcome._replace(waited=outcome.waited + self.strategy.combine(self._player["critic"], update, False))

    def _begin_last_critic_update(
        self, update: tf.Tensor, real: tuple[Any, ...], fake: tf.Tensor | None = None
    ) -> tuple[Outcome, Sequence[tf.Tensor]]:
        """The critic's last update of a step: (its outcome, the tensors of the mix that the strategy has begun)."""
        outcome = self._play_critic(update, real, fake)
        begun = self.strategy.begin_combine(self._player["critic"], update, True)
        return outcome, begun.pending if begun else []

    def _critic_samples(self, update: tf.Tensor, real: tuple[Any, ...]) -> tf.Tensor:
        """Generated samples for update number `update` of the critic."""
        samples, *labels = real
        return self._samples(self._latents("critic latents", update), samples, tuple(labels))

    def _play_critic(self, update: tf.Tensor, real: tuple[Any, ...], fake: tf.Tensor | None = None) -> Outcome:
        """One critic update; `fake` are the generated samples, if they have been made already."""

        def play() -> tuple[Gradients, tf.Tensor]:
            samples, *labels = real
            generated = self._critic_samples(update, real) if fake is None else fake
            alpha = self._game.noise.uniform([self._game.batch_size], "interpolation", update)
            return self._find_critic_gradients(update, (generated, alpha, samples, tuple(labels)))

        mixing, (found, waited) = self._begin("critic", update, play)
        outcome = self._apply("critic", mixing, found)
        return outcome._replace(waited=waited + outcome.waited)

    def _begin(self, name: str, update: tf.Tensor, play: Callable[[], Any]) -> tuple[Any, Any]:
        """Start a player's update: (the mix begun, the result of `play`, which runs while the mix is under way)."""
        spectral_norm.update(self._player[name].model)
        mixing = self.strategy.begin_update(self._player[name], update)
        with tf.control_dependencies(self.strategy.started(mixing)):
            return mixing, play()

    def _apply(self, name: str, mixing: Any, found: Gradients) -> Outcome:
        """Apply a player's gradients; the figures are those of the gradients and their norm."""
        outcome = apply_gradients(self.strategy, self._player[name], mixing, found)
        return outcome._replace(figures={**found.figures, **outcome.figures})

    def _find_critic_gradients(self, update: tf.Tensor, batch: Any) -> tuple[Gradients, tf.Tensor]:
        """(the critic's gradients, seconds waited for other learners).

        Args:
          batch: as `_critic_batch_loss` takes it.
        """
        return self._critic_gradients(update, batch), no_wait()

    def generator_inputs(self, noise: Noise, draw: int, classes: int | None) -> Any:
        """A batch of new inputs of the generator, a function of `noise` and `draw` alone; labels are uniform."""
        size = self._game.batch_size
        latents = self._game.feed.draw(noise, size, "latents", tf.constant(draw, tf.int64))
        if not self._game.conditional:
            return latents
        if classes is None:
            raise UserError("recalibrate: the task does not say how many classes there are; leave it out")
        labels = tf.cast(noise.uniform([size], "labels", draw) * classes, tf.int32)
        return inputs_of(latents, [labels])

    def _latents(self, purpose: str, draw: tf.Tensor) -> Any:
        return self._game.feed.draw(self._game.noise, self._game.batch_size, purpose, draw)

    def _batch_of(self, batches: tuple[tf.Tensor, ...], index: Any) -> tuple[Any, ...]:
        """The batch of update `index` of a step: (samples as the critic takes them, *labels).

        Args:
          batches: as `_updates` takes them.
        """
        return self._game.feed.prepare_real(*(x[index] for x in batches))

    def _generate(self, latents: Any, real: Any, labels: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Generated samples, in training mode, beside a batch of real ones."""
        del real
        return in_training(self.generator, latents, labels)

    def _critic_batch_loss(self) -> BatchLoss:
        """The critic's loss over a batch (generated samples, alpha of the penalty, real samples, labels)."""
        return BatchLoss(self._critic_outputs, self._critic_value)

    def _critic_outputs(self, batch: Any) -> Outputs:
        fake, _, real, labels = batch
        return {**self._critic_loss.outputs(real, fake, labels), "fake": in_training(self.critic, fake, labels)}

    def _critic_value(self, found: Outputs, batch: Any) -> tuple[tf.Tensor, Figures]:
        fake, alpha, real, labels = batch
        rest, penalty = self._critic_loss.added(found, real, fake, alpha, labels)
        loss = self._game.objective.critic_loss(found["real"], found["fake"]) + rest
        return loss, {"loss/critic": loss, "loss/gradient_penalty": penalty}
