"""Gradients, and what one update of a player gives."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player

Figures = dict[str, tf.Tensor]  # named scalars


class Gradients(NamedTuple):
    """The gradients of a loss.

    Attributes:
      gradients: dense, in the order of the player's variables.
      loss: scalar.
      figures: what else the pass has found, the loss included.
      noise: an estimate of the variance of `gradients`, in the same order; no tensors if none was made.
      fresh: scalar bool, whether `noise` was made anew for this update; None: it was, if there is one.
    """

    gradients: list[tf.Tensor]
    loss: tf.Tensor
    figures: Figures
    noise: Sequence[tf.Tensor] = ()
    fresh: tf.Tensor | None = None


class Outcome(NamedTuple):
    """What one update gives, or several.

    Attributes:
      figures: named scalars.
      waited: seconds spent waiting for other learners: scalar float64.
      finite: whether every loss and every gradient is finite: scalar bool.
    """

    figures: Figures
    waited: tf.Tensor
    finite: tf.Tensor


def gradients_of(tape: tf.GradientTape, loss: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Dense gradients, also of embeddings; zeros where the loss does not depend on a weight."""
    gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def apply_gradients(strategy: Strategy, player: Player, begun: Any, found: Gradients) -> Outcome:
    """Hand a player's gradients to the strategy. The only figure is the norm of the gradients.

    Args:
      begun: what `strategy.begin_update` returned for this update.
    """
    if found.loss.shape.rank:
        raise UserError(f"{player.name}: the loss has shape {found.loss.shape}; make it a scalar")
    norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in found.gradients]))
    finite = tf.math.is_finite(found.loss) & tf.math.is_finite(norm)
    if found.noise:
        finite &= tf.math.is_finite(tf.add_n([tf.reduce_sum(q) for q in found.noise]))
        player.observe_noise(finite if found.fresh is None else finite & found.fresh, found.noise, found.gradients)
    waited = strategy.apply(player, found.gradients, finite, begun)
    if not tf.is_tensor(waited):
        raise UserError(f"strategy: {type(strategy).__name__}.apply returned {waited!r:.60}, not the seconds waited")
    return Outcome({f"gradient_norm/{player.name}": norm}, waited, finite)


def inputs_of(x: Any, labels: Sequence[tf.Tensor]) -> Any:
    """What a net is called with: `x`, or [x, labels] of a conditional net. `labels`: one tensor or none."""
    return [x, *labels] if labels else x


def in_training(model: keras.Model, x: Any, labels: Sequence[tf.Tensor]) -> tf.Tensor:
    """The net's float32 output in training mode. `labels`: one tensor or none."""
    return tf.cast(model(inputs_of(x, labels), training=True), tf.float32)
