"""Sample reweighting among learners that share a batch, and what it does to the variance of the critic's gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan import objectives
from tfdgan.models.stateless import applied
from tfdgan.strategies.player import Player
from tfdgan.training.gradients import gradients_of, inputs_of
from tfdgan.training.reweighting import Reweighting

_BATCHES = 4  # of generated samples, for the variance of the critic's gradient


def scale_of(mine: tf.Tensor, everyone: tf.Tensor, place: int) -> tuple[tf.Tensor, tf.Tensor]:
    """(factor on this learner's term of generated samples, effective sample size of all learners' batches together).

    Each learner's weights sum to 1 over its own batch. If all batches count as one, learner i's samples have the share
    m_i / sum_j m_j of the weight, where m_j is the sum of exp(f / temperature) over learner j's batch. Gradients are
    averaged over the learners, so the factor is learner i's share times the number of learners.

    Args:
      mine: this learner's (log m, effective sample size), float32 [2].
      everyone: the same of all learners that share the batch, [learners, 2].
      place: which row is this learner's.
    """
    # NaN of another learner counts as no mass here; that learner itself reports the fault.
    mass = tf.where(tf.math.is_finite(everyone[:, 0]), everyone[:, 0], -np.inf)
    shares = objectives.summing_exactly(tf.nn.softmax(mass))
    scale = tf.where(tf.math.is_finite(mine[0]), shares[place] * everyone.shape[0], np.nan)
    return scale, 1.0 / tf.reduce_sum(tf.square(shares) / everyone[:, 1])


class GradientVariance:
    """The variance of the critic's gradient on generated samples, with and without reweighting.

    It is sum_j Var(g_j) over all weights j, estimated from 4 batches.

    Args:
      generator, critic: the players; their nets stay as they are.
      reweighting: gives the weights.
    """

    def __init__(self, generator: Player, critic: Player, reweighting: Reweighting) -> None:
        self._generator, self._critic, self._reweighting = generator.model, critic.model, reweighting

    def gradient_pair(self, latents: Any, *labels: tf.Tensor) -> dict[str, list[tf.Tensor]]:
        """{"reweighted", "plain"}: gradients of sum_i w_i f(x_i) and of mean f(x_i) in the critic's weights.

        The nets stay as they are.
        """
        (made_by, beside), (weights, others) = (
            [_values(group) for group in (model.trainable_variables, model.non_trainable_variables)]
            for model in (self._generator, self._critic)
        )
        fake = applied(self._generator, made_by, beside, inputs_of(latents, labels), training=True)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            scores = tf.cast(applied(self._critic, weights, others, inputs_of(fake, labels), training=True), tf.float32)
            w = self._reweighting.weights(scores)
            means = {"reweighted": tf.reduce_sum(w * scores), "plain": tf.reduce_mean(scores)}
        return {name: gradients_of(tape, mean, weights) for name, mean in means.items()}

    def measured(
        self, gradient_pair: Callable[..., Any], inputs: Callable[[tf.Tensor], tuple[Any, ...]], step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """{"gradient_variance/reweighted", "gradient_variance/plain": scalar float64}.

        Args:
          gradient_pair: the method of this name, compiled.
          inputs: function from a draw's number to latents and labels.
          step: scalar int64.
        """
        totals: dict[str, list[tf.Tensor]] = {}
        squares: dict[str, tf.Tensor] = {}
        for index in range(_BATCHES):
            for name, gradients in gradient_pair(*inputs(step * _BATCHES + index)).items():
                before = totals.get(name, [tf.zeros(g.shape) for g in gradients])
                totals[name] = [a + b for a, b in zip(before, gradients, strict=True)]
                squares[name] = squares.get(name, tf.constant(0.0, tf.float64)) + _square(gradients)
        return {
            f"gradient_variance/{name}": (squares[name] - _square(total) / _BATCHES) / (_BATCHES - 1)
            for name, total in totals.items()
        }


def _values(variables: list[Any]) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(v) for v in variables]


def _square(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tf.cast(2 * tf.add_n([tf.nn.l2_loss(tensor) for tensor in tensors]), tf.float64)
