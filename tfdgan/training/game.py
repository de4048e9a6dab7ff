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
      noise_every: at every which update of a player the noise of the gradient is estimated from the batch's halves, for
        optimizers with the split batch's second moment; 0: never.
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
    noise_every: int = 0


class CriticLoss:
    """The terms of the critic's loss that do not depend on how generated samples are weighed.

    They come in two parts, as `BatchLoss` has it: what the critic says of each real sample, and the terms of that.

    Args:
      critic: the net.
      game: weights of the terms.
    """

    def __init__(self, critic: keras.Model, game: Game) -> None:
        self._critic, self._game = critic, game
        self._with_features = _with_features(critic) if game.consistency else None

    def outputs(self, real: Any, fake: tf.Tensor, labels: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        """{name: tensors [n, ...]} of real samples; "real" are their scores.

        Args:
          real, fake: samples.
          labels: one tensor or none.
        """
        del fake
        if not self._with_features:
            return {"real": in_training(self._critic, real, labels)}
        passes = [self._with_features(inputs_of(real, labels), training=True) for _ in range(2)]
        return {"real": passes[0][0], "passes": passes}

    def added(
        self, found: dict[str, Any], real: Any, fake: tf.Tensor, alpha: tf.Tensor, labels: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(what is added to the loss, the penalty in it): scalars.

        Args:
          found: what `outputs` returned for these samples.
          real, fake, labels: as `outputs` takes them.
          alpha: where between them the penalty is taken, in [0, 1], float32 [n].
        """
        game, added, penalty = self._game, tf.constant(0.0), tf.constant(0.0)
        if game.consistency:
            added = game.consistency * penalties.consistency(*found["passes"])
        if game.gradient_penalty:
            penalty = game.penalty(lambda x: in_training(self._critic, x, labels), real, fake, alpha)
            added += game.gradient_penalty * penalty
        return added, penalty


def _with_features(critic: keras.Model) -> keras.Model:
    """samples -> (scores, features): the critic's own, by its layer of that name."""
    layer = next((layer for layer in critic.layers if layer.name == "features"), None)
    if layer is None:
        raise UserError("--consistency: the critic has no layer called features; use --model=ct_resnet")
    return keras.Model(critic.inputs, [critic.output, layer.output])
