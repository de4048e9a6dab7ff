"""The phase before the game: maximum likelihood for generators of sentences; a rewriter learns to repeat them."""

import tensorflow as tf

from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training.gradients import Gradients, Outcome, apply_gradients, gradients_of
from tfdgan.training.step_loop import figure_names


class Pretraining:
    """Maximum likelihood: minimises -sum log p(word | words before it) / number of words.

    The probabilities of a rewriter depend on the whole sentence and its style, too.
    Each learner divides by the words of its own batch. So where sentences end, `centralized` is not quite one learner
    on the whole batch. Only the generator is exchanged. Memory: an optimizer's slots, kept through the game.

    Args:
      player: the generator, with an optimizer of its own for this phase. Its model has
        `log_probabilities(words, *styles, training)` and `mask(words)`. It makes `player.updates` updates a step, as
        many as the game's critic, so that a step takes as much data.
      strategy: of this player alone.
      steps: how many come before the game.
      jit: whether XLA compiles what computes gradients.
    """

    def __init__(self, player: Player, strategy: Strategy, steps: int, jit: bool = False) -> None:
        self.player, self.strategy, self.steps = player, strategy, steps
        self._gradients = tf.function(self._loss_and_gradients, autograph=False, jit_compile=jit or None)
        self._update = tf.function(self._one_update, autograph=False)

    def updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        """A step's updates; figures are means over them.

        Args:
          step: scalar int64.
          batches: words [updates, n, length], of a rewriter also styles [updates, n].
        """
        count = self.player.updates
        names = figure_names(self._update, step, *(x[0] for x in batches))

        def update(index: tf.Tensor, total: tf.Tensor, waited: tf.Tensor, finite: tf.Tensor) -> tuple[tf.Tensor, ...]:
            found = self._update(step * count + index, *(x[index] for x in batches))
            figures = tf.stack([found.figures[name] for name in names])
            return index + 1, total + figures, waited + found.waited, finite & found.finite

        begin = (tf.constant(0, tf.int64), tf.zeros([len(names)]), no_wait(), tf.constant(True))
        _, total, waited, finite = tf.while_loop(lambda index, *_: index < count, update, begin, parallel_iterations=1)
        if self.strategy.combines == "step":
            waited += self.strategy.combine(self.player, (step + 1) * count - 1, True)
        return Outcome(dict(zip(names, tf.unstack(total / count), strict=True)), waited, finite)

    def _one_update(self, update: tf.Tensor, words: tf.Tensor, *styles: tf.Tensor) -> Outcome:
        mixing = self.strategy.begin_update(self.player, update)
        with tf.control_dependencies(self.strategy.started(mixing)):
            found = self._gradients(words, *styles)
        outcome = apply_gradients(self.strategy, self.player, mixing, found)
        waited = outcome.waited + self.strategy.combine(self.player, update, False)
        norm = outcome.figures[f"gradient_norm/{self.player.name}"]
        return outcome._replace(waited=waited, figures={"loss/likelihood": found.loss, "gradient_norm/generator": norm})

    def _loss_and_gradients(self, words: tf.Tensor, *styles: tf.Tensor) -> Gradients:
        generator, weights = self.player.model, [v.value for v in self.player.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            found = generator.log_probabilities(words, *styles, training=True)
            loss = -tf.reduce_sum(found) / tf.reduce_sum(generator.mask(words))
        return Gradients(gradients_of(tape, loss, weights), loss, {})
