"""The critic's loss with weights on generated samples, whole or in the two terms that learners may scale apart."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfdgan import objectives
from tfdgan.models.stateless import applied
from tfdgan.objectives import Objective
from tfdgan.objectives.reweighting import moments
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import BatchLoss, Outputs
from tfdgan.training.game import CriticLoss
from tfdgan.training.gradients import Figures, gradients_of, inputs_of
from tfdgan.training.reweighting import Reweighting


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
    """-mean f(real) + sum_i w_i f(x_i) + penalties, w by the scores f of the generated samples x.

    A batch is (generated samples, alpha of the penalty, real samples, labels).

    Args:
      player: the critic.
      outputs: function batch -> what the critic says of each sample; "real" and "fake" are scores.
      terms: of the loss beside those of scores.
      objective: the payoff.
      reweighting: gives w.
    """

    def __init__(
        self,
        player: Player,
        outputs: Callable[[Any], Outputs],
        terms: CriticLoss,
        objective: Objective,
        reweighting: Reweighting,
    ) -> None:
        self._player, self._outputs, self._terms = player, outputs, terms
        self._objective, self._reweighting = objective, reweighting

    def moments(self, batch: Any) -> tf.Tensor:
        """(mean, variance) of the generated samples' scores, [2]; the net's statistics and random states stay.

        Under dropout these are scores of another draw than those that `terms` weighs.
        """
        fake, _, _, labels = batch
        critic = self._player.model
        others = [tf.convert_to_tensor(v) for v in critic.non_trainable_variables]
        scores = applied(critic, self._player.values(), others, inputs_of(fake, labels), training=True)
        return tf.stack(moments(tf.cast(scores, tf.float32)))

    def terms(self, batch: Any, temperature: tf.Tensor | None = None) -> Terms:
        """The gradients of both terms, and this learner's share of the weights.

        Args:
          temperature: of the weights, if it is not this batch alone that decides.
        """
        weights = [v.value for v in self._player.variables]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            found = self._outputs(batch)
            if temperature is None:
                temperature = self._reweighting.temperature_of(found["fake"])
            w = self._reweighting.weights(found["fake"], temperature)
            rest, generated, penalty = self._losses(found, w, batch)
        share = tf.stack([objectives.log_mass(found["fake"], temperature), objectives.effective_sample_size(w)])
        of_rest, of_generated = (gradients_of(tape, loss, weights) for loss in (rest, generated))
        return Terms(of_rest, of_generated, (rest, generated), penalty, share)

    def batch_loss(self) -> BatchLoss:
        """The loss of a learner whose batch is its own alone; w is a constant of the whole batch."""

        def constants(found: Outputs) -> Outputs:
            w = self._reweighting.weights(found["fake"])
            effective = objectives.effective_sample_size(w)
            every = tf.ones(w.shape[:1])
            return {"relative": w * w.shape[0], "effective": every * effective, "share": every * effective / w.shape[0]}

        def value(found: Outputs, batch: Any) -> tuple[tf.Tensor, Figures]:
            w = found["relative"] / found["relative"].shape[0]
            rest, generated, penalty = self._losses(found, w, batch)
            figures = {"loss/critic": rest + generated, "loss/gradient_penalty": penalty}
            # Of the whole batch, though this may be half of it: the share is what does not depend on its size.
            return rest + generated, figures | {
                "reweighting/effective_sample_size": tf.reduce_mean(found["effective"]),
                "reweighting/effective_share": tf.reduce_mean(found["share"]),
            }

        return BatchLoss(self._outputs, value, constants)

    def _losses(self, found: Outputs, w: tf.Tensor, batch: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """(the loss without the generated samples' term, this term, the penalty)."""
        fake, alpha, real, labels = batch
        added, penalty = self._terms.added(found, real, fake, alpha, labels)
        of_real, generated = self._objective.weighted_critic_terms(found["real"], found["fake"], w)
        return added + of_real, generated, penalty
