"""The critic's loss with weights on generated samples, whole or in the two terms that learners may scale apart."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfdgan import objectives
from tfdgan.objectives import Objective
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import BatchLoss, Outputs
from tfdgan.training.game import CriticLoss
from tfdgan.training.gradients import Figures, gradients_of


class Terms(NamedTuple):
    """The gradients of the generated samples' term, apart from those of the other terms.

    Learners that share a batch scale the generated samples' term, and only this one.
    """

    rest: list[tf.Tensor]
    generated: list[tf.Tensor]
    losses: tuple[tf.Tensor, tf.Tensor]
    penalty: tf.Tensor
    share: tf.Tensor  # [2]: log of the weights' sum, effective sample size


class ReweightedCritic:
    """-mean f(real) + sum_i w_i f(x_i) + penalties, w = softmax(f / temperature) over the generated samples x.

    A batch is (generated samples, alpha of the penalty, real samples, labels).

    Args:
      player: the critic.
      outputs: function batch -> what the critic says of each sample; "real" and "fake" are scores.
      terms: of the loss beside those of scores.
      objective: the payoff.
      temperature: of w.
    """

    def __init__(
        self,
        player: Player,
        outputs: Callable[[Any], Outputs],
        terms: CriticLoss,
        objective: Objective,
        temperature: float,
    ) -> None:
        self._player, self._outputs, self._terms = player, outputs, terms
        self._objective, self._temperature = objective, temperature

    def terms(self, batch: Any) -> Terms:
        """The gradients of both terms, and this learner's share of the weights."""
        weights = [v.value for v in self._player.variables]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            found = self._outputs(batch)
            w = self._weights(found)
            rest, generated, penalty = self._losses(found, w, batch)
        share = tf.stack([objectives.log_mass(found["fake"], self._temperature), objectives.effective_sample_size(w)])
        of_rest, of_generated = (gradients_of(tape, loss, weights) for loss in (rest, generated))
        return Terms(of_rest, of_generated, (rest, generated), penalty, share)

    def batch_loss(self) -> BatchLoss:
        """The loss of a learner whose batch is its own alone; w is a constant of the whole batch."""

        def constants(found: Outputs) -> Outputs:
            w = self._weights(found)
            effective = objectives.effective_sample_size(w)
            return {"relative": w * w.shape[0], "effective": tf.fill(w.shape[:1], effective)}

        def value(found: Outputs, batch: Any) -> tuple[tf.Tensor, Figures]:
            w = found["relative"] / found["relative"].shape[0]
            rest, generated, penalty = self._losses(found, w, batch)
            return rest + generated, {
                "loss/critic": rest + generated,
                "loss/gradient_penalty": penalty,
                "reweighting/effective_sample_size": tf.reduce_mean(found["effective"]),
            }

        return BatchLoss(self._outputs, value, constants)

    def _weights(self, found: Outputs) -> tf.Tensor:
        return objectives.summing_exactly(objectives.sample_weights(found["fake"], self._temperature))

    def _losses(self, found: Outputs, w: tf.Tensor, batch: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """(the loss without the generated samples' term, this term, the penalty)."""
        fake, alpha, real, labels = batch
        added, penalty = self._terms.added(found, real, fake, alpha, labels)
        of_real, generated = self._objective.weighted_critic_terms(found["real"], found["fake"], w)
        return added + of_real, generated, penalty
