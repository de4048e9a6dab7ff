"""What a generator and a critic play, whatever the trainer."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.objectives import Objective, penalties
from tfdgan.training.feed import Feed
from tfdgan.training.gradients import in_training, inputs_of
from tfdgan.training.noise import Noise

Penalty = Callable[[Callable[[Any], tf.Tensor], Any, Any, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Game:
    """Payoff, penalty, batches and random numbers of a game.

    Attributes:
      objective: the payoff.
      feed: how the generator is fed.
      noise: this learner's random numbers.
      batch_size: samples of an update.
      penalty: function (critic, real, generated, alpha) -> scalar, such as those of `objectives.penalties`.
      gradient_penalty: weight of the penalty; 0 leaves it out.
      consistency: weight of the consistency term, for which the critic needs a layer called features; 0 leaves it out.
      conditional: whether batches hold labels for the nets.
      jit: whether XLA compiles what computes gradients; updates and exchanges stay outside.
    """

    objective: Objective
    feed: Feed
    noise: Noise
    batch_size: int
    penalty: Penalty = penalties.two_sided
    gradient_penalty: float = 10.0
    consistency: float = 0.0
    conditional: bool = False
    jit: bool = False


class CriticLoss:
    """The terms of the critic's loss that do not depend on how generated samples are weighed.

    Args:
      critic: the net.
      game: weights of the terms.
    """

    def __init__(self, critic: keras.Model, game: Game) -> None:
        self._critic, self._game = critic, game
        self._with_features = _with_features(critic) if game.consistency else None

    def of_real(
        self, real: tf.Tensor, fake: tf.Tensor, alpha: tf.Tensor, labels: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """(scores of real samples, what is added to the loss, the penalty in it).

        Args:
          real, fake: samples.
          alpha: where between them the penalty is taken, in [0, 1], float32 [n].
          labels: one tensor or none.
        """
        game, added, penalty = self._game, tf.constant(0.0), tf.constant(0.0)
        if self._with_features:
            passes = [self._with_features(inputs_of(real, labels), training=True) for _ in range(2)]
            scores, added = passes[0][0], game.consistency * penalties.consistency(*passes)
        else:
            scores = in_training(self._critic, real, labels)
        if game.gradient_penalty:
            penalty = game.penalty(lambda x: in_training(self._critic, x, labels), real, fake, alpha)
            added += game.gradient_penalty * penalty
        return scores, added, penalty


def _with_features(critic: keras.Model) -> keras.Model:
    """samples -> (scores, features): the critic's own, by its layer of that name."""
    layer = next((layer for layer in critic.layers if layer.name == "features"), None)
    if layer is None:
        raise UserError("--consistency: the critic has no layer called features; use --model=ct_resnet")
    return keras.Model(critic.inputs, [critic.output, layer.output])
