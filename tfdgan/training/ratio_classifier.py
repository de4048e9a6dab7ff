"""The classifier of real against generated samples, and the probability ratio that it gives."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan import objectives
from tfdgan.models.stateless import applied
from tfdgan.objectives.ratio_clipping import MOST_EXPONENT
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import BatchLoss, Outputs
from tfdgan.training.feed import Feed
from tfdgan.training.gradients import Figures, in_training, inputs_of

_MOST_PAIRED = 3.0  # larger ones are none of a generator's step: r of e^20 would blow up the surrogate where f < 0


@dataclasses.dataclass(frozen=True)
class RatioClipping:
    """How the generator's step is clipped by the probability ratio.

    Attributes:
      epsilon: how far from 1 the ratio counts.
      mode: "paper" or "released", as `objectives.clipped_ratio_surrogate` takes it.
      center_scores: whether the mean of the batch is subtracted from the scores that the ratio multiplies.
      paired: whether the old logits are those of a twin of C, which learns beside C from the old generator's samples
        (`training.twin`), and not those of C as it was.
      joint: whether C sees real and generated samples in one pass, for one batch norm, or each in a pass of its own.
    """

    epsilon: float = 0.4
    mode: str = "paper"
    center_scores: bool = False
    paired: bool = False
    joint: bool = True

    @property
    def most_exponent(self) -> float:
        """Where log r is cut."""
        return _MOST_PAIRED if self.paired else MOST_EXPONENT


class RatioClassifier:
    """C, and r(x) = exp(l_old(x) - l(x)) by its logits l, in inference mode and under one set of statistics.

    Args:
      player: C.
      feed: shows C real samples in the generator's form.
      clipping: how the ratio clips.
    """

    def __init__(self, player: Player, feed: Feed, clipping: RatioClipping) -> None:
        self._player, self._feed, self._clipping = player, feed, clipping

    def values(self) -> list[tf.Tensor]:
        """C's present weights."""
        return self._player.values()

    def batch_loss(self) -> BatchLoss:
        """Binary cross-entropy of real samples and as many generated ones.

        A batch is (generated samples, real samples, labels).
        """

        def logits_of(x: tf.Tensor, labels: Sequence[tf.Tensor]) -> tf.Tensor:
            return tf.reshape(in_training(self._player.model, x, labels), [-1])

        def outputs(batch: Any) -> Outputs:
            fake, real, labels = batch
            real = self._feed.like_generated(real)
            if not self._clipping.joint:
                return {"real": logits_of(real, labels), "fake": logits_of(fake, labels)}
            both = tf.concat([real, fake], axis=0)
            logits = logits_of(both, [tf.tile(kinds, [2]) for kinds in labels])
            return dict(zip(("real", "fake"), tf.split(logits, 2), strict=True))

        def value(found: Outputs, batch: Any) -> tuple[tf.Tensor, Figures]:
            del batch
            loss = objectives.NonSaturating().critic_loss(found["real"], found["fake"])
            right = tf.concat([found["real"] > 0, found["fake"] < 0], axis=0)
            return loss, {"loss/classifier": loss, "classifier/accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}

        return BatchLoss(outputs, value)

    def outputs(self, x: tf.Tensor, old: Sequence[tf.Tensor], labels: tuple[tf.Tensor, ...]) -> Outputs:
        """{"new", "old"}: float32 [n], C's logits of samples under its present weights and under `old`."""
        weights = {"new": self.values(), "old": old}
        return {name: self._logits(values, x, labels) for name, values in weights.items()}

    def constants(self, payoff: tf.Tensor) -> Outputs:
        """What the loss needs of the payoffs [n] of the whole batch."""
        return {"level": tf.fill(payoff.shape, tf.reduce_mean(payoff))} if self._clipping.center_scores else {}

    def loss(self, payoff: tf.Tensor, found: Outputs) -> tuple[tf.Tensor, Figures]:
        """(minus the mean of the clipped surrogate, figures of the ratio).

        Args:
          payoff: of the samples, [n].
          found: `outputs` and `constants` of them.
        """
        epsilon = self._clipping.epsilon
        ratio = objectives.probability_ratio(found["new"], found["old"], self._clipping.most_exponent)
        surrogate = objectives.clipped_ratio_surrogate(
            payoff - found.get("level", 0.0), ratio, epsilon, self._clipping.mode
        )
        return -tf.reduce_mean(surrogate), {
            "ratio/mean": tf.reduce_mean(ratio),
            "ratio/clip_fraction": objectives.clip_fraction(ratio, epsilon),
            "ratio/max": tf.reduce_max(ratio),
        }

    def _logits(self, weights: Sequence[tf.Tensor], x: tf.Tensor, labels: Sequence[tf.Tensor]) -> tf.Tensor:
        """float32 [n]: with these weights and the present statistics, in inference mode."""
        classifier = self._player.model
        others = [tf.convert_to_tensor(v) for v in classifier.non_trainable_variables]
        logits = applied(classifier, weights, others, inputs_of(x, labels))
        return tf.reshape(tf.cast(logits, tf.float32), [-1])
