"""The critic's part of the clipped-ratio trainer: generated samples weigh by their scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.objectives.reweighting import moments_together
from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training import shared_reweighting
from tfdgan.training.compiled import compiled
from tfdgan.training.game import Game
from tfdgan.training.gradients import Gradients
from tfdgan.training.reweighted_critic import ReweightedCritic
from tfdgan.training.reweighting import Reweighting
from tfdgan.training.trainer import Trainer


class ReweightingTrainer(Trainer):
    """Base of a trainer whose critic sees generated samples with weights w.

    Args:
      players, strategy, game: as `Trainer` takes them.
      reweighting_temperature: temperature of w; None: no reweighting.
      reweighting_spread: standard deviation of the exponents of w, in place of the temperature; 0: none is kept.
      **others: as `Trainer` takes them.
    """

    def __init__(
        self,
        players: Sequence[Player],
        strategy: Strategy,
        game: Game,
        *,
        reweighting_temperature: float | None = 1.0,
        reweighting_spread: float = 0.0,
        **others: Any,
    ) -> None:
        self._reweights = reweighting_temperature is not None
        self._reweighting = Reweighting(reweighting_temperature or 1.0, reweighting_spread)
        if self._reweights and game.noise_every and strategy.shares_batch:
            raise UserError(
                f"--second_moment=split_batch: {type(strategy).__name__} shares the batch's weights among learners; "
                "use own, or leave --sample_reweighting out"
            )
        # The labels of the last batch, for `diagnose`. Checkpoints need not hold them: a step comes before a diagnosis.
        self._labels_seen = tf.Variable(tf.zeros([game.batch_size], tf.int32), trainable=False)
        super().__init__(players, strategy, game, **others)

    def _compile(self) -> None:
        super()._compile()
        jit = self._game.jit
        if self._reweights:
            reweighted = ReweightedCritic(
                self._player["critic"], self._critic_outputs, self._critic_loss, self._game.objective, self._reweighting
            )
            self._fake_moments = compiled(reweighted.moments, jit)
            self._reweighted_terms = compiled(reweighted.terms, jit)
            self._reweighted_gradients = self._gradients_function("critic", reweighted.batch_loss, [self.critic])
        variance = shared_reweighting.GradientVariance(
            self._player["generator"], self._player["critic"], self._reweighting
        )
        gradient_pair = compiled(variance.gradient_pair, jit)

        def diagnose(step: tf.Tensor) -> dict[str, tf.Tensor]:
            return variance.measured(gradient_pair, self._fresh_inputs, step)

        self._diagnose = compiled(diagnose)

    def _see_labels(self, batches: tuple[tf.Tensor, ...]) -> None:
        """Keep the labels of a step's last batch."""
        if self._game.conditional:
            self._labels_seen.assign(batches[1][self.batches_a_step - 1])

    def _find_critic_gradients(self, update: tf.Tensor, batch: Any) -> tuple[Gradients, tf.Tensor]:
        if not self._reweights:
            return super()._find_critic_gradients(update, batch)
        if self._game.noise_every == 0:
            return self._shared_gradients(batch)
        return self._reweighted_gradients(update, batch), no_wait()

    def _shared_gradients(self, batch: Any) -> tuple[Gradients, tf.Tensor]:
        """(the critic's gradients, seconds waited), where learners may share one batch and so its weights w.

        To share a spread costs one more pass of the generated samples through the critic.
        """
        temperature, waited = None, no_wait()
        if self._reweighting.spread and self.strategy.shares_batch:
            moments, _, waited = self.strategy.share_batch(self._fake_moments(batch), "reweighting.scores")
            temperature = self._reweighting.temperature_by(*moments_together(*tf.unstack(moments, axis=1)))
        found = self._reweighted_terms(batch, temperature)
        everyone, place, for_share = self.strategy.share_batch(found.share, "reweighting")  # [learners, 2]
        waited += for_share
        scale, effective = shared_reweighting.scale_of(found.share, everyone, place)
        gradients = [a + scale * b for a, b in zip(found.rest, found.generated, strict=True)]
        loss = found.losses[0] + scale * found.losses[1]
        figures = {
            "loss/critic": loss,
            "loss/gradient_penalty": found.penalty,
            "reweighting/effective_sample_size": effective,
            "reweighting/effective_share": effective / (everyone.shape[0] * self._game.batch_size),
        }
        return Gradients(gradients, loss, figures), waited

    def diagnose(self, step: int) -> dict[str, float]:
        """What reweighting does to the variance of the critic's gradient on generated samples.

        The term of generated samples is that of a Wasserstein critic; for other objectives there are no figures.
        """
        if self._pretrains(step - 1) or not self._shows_variance:
            return {}
        found = self._diagnose(tf.constant(np.int64(step)))  # TensorFlow keeps Python's numbers for good
        return {name: float(value) for name, value in found.items()}

    @property
    def _shows_variance(self) -> bool:
        return not self._game.objective.compares

    def _fresh_inputs(self, draw: tf.Tensor) -> tuple[Any, ...]:
        """New inputs of the generator; for conditional nets also the labels of the last batch."""
        latents = self._latents("diagnosis latents", draw)
        return (latents, self._labels_seen) if self._game.conditional else (latents,)
