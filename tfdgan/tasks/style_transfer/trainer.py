"""The clipped-ratio trainer for style transfer, with the further terms of a rewriter's game."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player
from tfdgan.tasks.style_transfer.options import StyleTransferOptions
from tfdgan.training.clipped_ratio import ClippedRatioTrainer
from tfdgan.training.game import CriticLoss, Game
from tfdgan.training.gradients import Figures, in_training


class StyleTransferTrainer(ClippedRatioTrainer):
    """Trains a `Rewriter` against a `StyleCritic`: sentences come into another style and must keep their content.

    With s the style of a sentence x, t another, x' the rewriter's sentence, z = content(x), CE the cross-entropy:
    * the critic minimises, beside the terms of scores,
      style_weight_d CE(s; styles of x) + CE(s; styles that z tells),
      where the penalty is taken between x and x' as the critic embeds them;
    * the generator minimises -log p(x | z, s) / words + score_weight (its loss by scores, or the clipped surrogate)
      + style_weight CE(t; styles of x') + content_weight (2 - cos(z, content(x')) - cos(z, content(x^)))
      - invariance_weight CE(s; styles that z tells),
      where x^ is the softmax of the logits that repeat x.
    The net that tells the style from z is a part of the critic: it has the critic's optimizer, updates and clipping of
    gradients. Each learner divides by the words of its own batch, as in `Pretraining`.
    Reweighting weighs the critic's generated term only, as the paper's equation has it. The released code also shows
    the style head generated sentences, at a weight of .0005; here the head learns from real sentences alone.

    The paper: see `training.clipped_ratio`; the terms are those of Tikhonov et al., see `models.rewriter`.

    Further figures, means over the generator's updates: the loss of reconstruction; the share of rewritten sentences in
    which the critic sees the wanted style; 1 - cos(z, content(x')); the share of sentences whose style z tells.

    Args:
      players, strategy, game: as `ClippedRatioTrainer` takes them.
      weights: of the terms.
      **others: as `ClippedRatioTrainer` takes them.
    """

    def __init__(
        self,
        players: Sequence[Player],
        strategy: Strategy,
        game: Game,
        *,
        weights: StyleTransferOptions,
        **others: Any,
    ) -> None:
        self._weights = weights
        super().__init__(players, strategy, game, **others)

    def _make_critic_loss(self) -> CriticLoss:
        return _StyleCriticLoss(self, self._game, self._weights.style_weight_d)

    @property
    def _shows_variance(self) -> bool:
        return False  # the diagnosis does not know a rewriter's inputs

    def _generate(self, latents: Any, real: Any, labels: tuple[tf.Tensor, ...]) -> tf.Tensor:
        del labels
        noise, _ = latents
        return in_training(self.generator, [real[0], self._wanted(latents, real), noise], [])

    def _wanted(self, latents: Any, real: Any) -> tf.Tensor:
        """The style of each rewritten sentence."""
        return (real[1] + latents[1]) % self.generator.styles

    def _whole_loss(self, loss: tf.Tensor, fake: tf.Tensor, latents: Any, real: Any) -> tuple[tf.Tensor, Figures]:
        weights, (words, styles), wanted = self._weights, real, self._wanted(latents, real)
        logits = self.generator.reconstruction(words, styles, training=True)
        mask = self.generator.mask(words)
        found = tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        repeated = tf.reduce_sum(mask * found) / tf.reduce_sum(mask)
        _, judged = self.critic.judge(*self.critic.embed(fake), training=True)
        z = self.generator.content(words)
        distances = [_distance(z, self.generator.content(x)) for x in (fake, tf.nn.softmax(logits))]
        told = self.critic.content_styles(z)
        loss = (
            repeated
            + weights.score_weight * loss
            + weights.style_weight * _cross_entropy(wanted, judged)
            + weights.content_weight * tf.add_n(distances)
            - weights.invariance_weight * _cross_entropy(styles, told)
        )
        return loss, {
            "loss/reconstruction": repeated,
            "style/accuracy": _accuracy(wanted, judged),
            "content/distance": distances[0],
            "content/told": _accuracy(styles, told),
        }


class _StyleCriticLoss(CriticLoss):
    """The critic's terms beside those of generated sentences' scores.

    Args:
      trainer: whose nets play.
      game: weights of the common terms.
      style_weight: weight of the true styles' cross-entropy.
    """

    def __init__(self, trainer: StyleTransferTrainer, game: Game, style_weight: float) -> None:
        super().__init__(trainer.critic, game)
        self._generator, self._style_weight = trainer.generator, style_weight

    def of_real(
        self, real: Any, fake: tf.Tensor, alpha: tf.Tensor, labels: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        del labels
        words, styles = real
        critic = self._critic
        embedded, mask = critic.embed(words)
        generated, generated_mask = critic.embed(fake)
        scores, logits = critic.judge(embedded, mask, training=True)
        told = critic.content_styles(tf.stop_gradient(self._generator.content(words)))
        added, penalty = self._style_weight * _cross_entropy(styles, logits), tf.constant(0.0)
        if self._game.gradient_penalty:
            either = tf.maximum(mask, generated_mask)

            def scored(x: tf.Tensor) -> tf.Tensor:
                return critic.judge(x, either, training=True)[0]

            penalty = self._game.penalty(scored, embedded, generated, alpha)
        return scores, added + _cross_entropy(styles, told) + self._game.gradient_penalty * penalty, penalty


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32)))


def _accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.float32))


def _distance(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """1 - cos of the angle between rows, their mean."""
    a, b = (tf.math.l2_normalize(tf.cast(x, tf.float32), axis=1, epsilon=1e-12) for x in (a, b))
    return 1.0 - tf.reduce_mean(tf.reduce_sum(a * b, axis=1))
