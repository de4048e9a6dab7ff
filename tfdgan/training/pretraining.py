"""The phase before the game: a generator of sentences learns how likely the data's words are, a rewriter to repeat."""

import dataclasses

import tensorflow as tf

from tfdgan import strategies
from tfdgan.training.part import Part, gradients_of, hand_over, make_optimizer


class Pretraining:
    """Maximum likelihood under the run's strategy: minimises -sum log p(word | words before it) / number of words, of a
    rewriter given the sentence and its style.

    A step is as many updates as the game's has critic updates, so it takes as much data. Each learner divides by the
    words of its own batch: where sentences end, `centralized` is not quite one learner on the whole batch. Of the
    models only the generator is exchanged. Memory: an optimizer's slots, kept through the game.

    Args:
      generator: a `SentenceGenerator`, or a `Rewriter`, which learns to give back what it is given.
      config: a `Config`; learning_rate_p is the learning rate here.
      size: number of learners.
    """

    figures = ("loss/likelihood", "gradient_norm/generator")

    def __init__(self, generator, config, size):
        self._generator, self._config = generator, config
        part = Part(generator, config.learning_rate_p, config.critic_steps, config.clip_norm)
        optimizer = make_optimizer(dataclasses.replace(config, learning_rate_decay="constant"), part)
        self.player = strategies.Player("pretraining", list(generator.trainable_variables), optimizer)
        self.strategy = strategies.make(config, [self.player], size, channel="pretraining")
        self._gradients = tf.function(self._loss_and_gradients, autograph=False, jit_compile=config.jit or None)

    def updates(self, step, batches):
        """A step's updates, as `Trainer._updates` is to give them; figures are means over them."""
        count = self._config.critic_steps

        def update(index, total, waited, finite):
            mixing = self.strategy.begin_update(self.player, step * count + index)
            with tf.control_dependencies(self.strategy.started(mixing)):
                gradients, loss = self._gradients(*(x[index] for x in batches))
            norm, more, alright = hand_over(self.strategy, self.player, mixing, loss, gradients)
            return index + 1, total + tf.stack([loss, norm]), waited + more, finite & alright

        begin = (
            tf.constant(0, tf.int64),
            tf.zeros([len(self.figures)]),
            tf.constant(0.0, tf.float64),
            tf.constant(True),
        )
        _, total, waited, finite = tf.while_loop(lambda index, *_: index < count, update, begin, parallel_iterations=1)
        return tf.unstack(total / count), waited, finite

    def _loss_and_gradients(self, words, *styles):
        weights = [v.value for v in self.player.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            found = self._generator.log_probabilities(words, *styles, training=True)
            loss = -tf.reduce_sum(found) / tf.reduce_sum(self._generator.mask(words))
        return gradients_of(tape, loss, weights), loss
