"""The clipped-ratio trainer for style transfer, with the further terms of a rewriter's game."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player
from tfdgan.tasks.style_transfer.options import StyleTransferOptions
from tfdgan.training.batch_loss import Outputs
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

    def _further_outputs(self, fake: tf.Tensor, latents: Any, real: Any) -> Outputs:
        (words, styles), wanted = real, self._wanted(latents, real)
        logits = self.generator.reconstruction(words, styles, training=True)
        mask = self.generator.mask(words)
        found = tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        _, judged = self.critic.judge(*self.critic.embed(fake), training=True)
        z = self.generator.content(words)
        distances = [_distances(z, self.generator.content(x)) for x in (fake, tf.nn.softmax(logits))]
        return {
            "surprise": tf.reduce_sum(mask * found, axis=1),
            "words": tf.reduce_sum(mask, axis=1),
            "judged": judged,
            "wanted": wanted,
            "told": self.critic.content_styles(z),
            "styles": styles,
            "distances": distances,
        }

    def _further_constants(self, found: Outputs) -> Outputs:
        return {"words": tf.fill(found["words"].shape, tf.reduce_mean(found["words"]))}

    def _whole_loss(self, loss: tf.Tensor, found: Outputs) -> tuple[tf.Tensor, Figures]:
        weights = self._weights
        repeated = tf.reduce_mean(found["surprise"]) / tf.reduce_mean(found["words"])
        distances = [tf.reduce_mean(x) for x in found["distances"]]
        loss = (
            repeated
            + weights.score_weight * loss
            + weights.style_weight * _cross_entropy(found["wanted"], found["judged"])
            + weights.content_weight * tf.add_n(distances)
            - weights.invariance_weight * _cross_entropy(found["styles"], found["told"])
        )
        return loss, {
            "loss/reconstruction": repeated,
            "style/accuracy": _accuracy(found["wanted"], found["judged"]),
            "content/distance": distances[0],
            "content/told": _accuracy(found["styles"], found["told"]),
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

    def outputs(self, real: Any, fake: tf.Tensor, labels: tuple[tf.Tensor, ...]) -> Outputs:
        del labels
        words, styles = real
        critic = self._critic
        embedded, mask = critic.embed(words)
        scores, logits = critic.judge(embedded, mask, training=True)
        told = critic.content_styles(tf.stop_gradient(self._generator.content(words)))
        found = {"real": scores, "styles": styles, "judged": logits, "told": told}
        if self._game.gradient_penalty:
            found |= {"embedded": (embedded, mask), "embedded_fake": critic.embed(fake)}
        return found

    def added(
        self, found: Outputs, real: Any, fake: tf.Tensor, alpha: tf.Tensor, labels: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        del real, fake, labels
        critic, penalty = self._critic, tf.constant(0.0)
        added = self._style_weight * _cross_entropy(found["styles"], found["judged"])
        if self._game.gradient_penalty:
            (embedded, mask), (generated, generated_mask) = found["embedded"], found["embedded_fake"]
            either = tf.maximum(mask, generated_mask)

            def scored(x: tf.Tensor) -> tf.Tensor:
                return critic.judge(x, either, training=True)[0]

            penalty = self._game.penalty(scored, embedded, generated, alpha)
        told = _cross_entropy(found["styles"], found["told"])
        return added + told + self._game.gradient_penalty * penalty, penalty


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32)))


def _accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.float32))


def _distances(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """1 - cos of the angle between rows: [n]."""
    a, b = (tf.math.l2_normalize(tf.cast(x, tf.float32), axis=1, epsilon=1e-12) for x in (a, b))
    return 1.0 - tf.reduce_sum(a * b, axis=1)
