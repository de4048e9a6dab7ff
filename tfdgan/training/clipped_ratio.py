"""The clipped-ratio trainer: probability ratio clipping and sample reweighting.

Wu, Zhou, Wilson, Xing, Hu, "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting",
NeurIPS 2020, Algorithm 1.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfdgan import objectives
from tfdgan.models.stateless import applied
from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training import shared_reweighting
from tfdgan.training.game import Game
from tfdgan.training.gradients import Figures, Gradients, Outcome, gradients_of, in_training, inputs_of
from tfdgan.training.step_loop import figure_names
from tfdgan.training.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class RatioClipping:
    """How the generator's step is clipped by the probability ratio.

    Attributes:
      epsilon: how far from 1 the ratio counts.
      mode: "paper" or "released", as `objectives.clipped_ratio_surrogate` takes it.
      center_scores: whether the mean of the batch is subtracted from the scores that the ratio multiplies.
    """

    epsilon: float = 0.4
    mode: str = "paper"
    center_scores: bool = False


class _Reweighted(NamedTuple):
    """The gradients of the generated samples' term, apart from those of the other terms.

    Learners that share a batch scale the generated samples' term, and only this one.
    """

    rest: list[tf.Tensor]
    generated: list[tf.Tensor]
    losses: tuple[tf.Tensor, tf.Tensor]
    penalty: tf.Tensor
    share: tf.Tensor  # [2]: log of the weights' sum, effective sample size


class ClippedRatioTrainer(Trainer):
    """Trains a generator against a critic, and a classifier C of real against generated beside them.

    A step is
    (a) the critic's updates, to minimise -mean f(real) + sum_i w_i f(x_i) + penalties. With reweighting
        w = softmax(f / temperature) over the batch x of generated samples, else w = 1 / batch;
    (b) as often as the generator has updates: with a classifier one update of C, on the critic's real batches in turn
        and on newly generated samples; then a generator update, to maximise the mean of the clipped surrogate of f(x)
        and r(x) = exp(l_old(x) - l(x)), without a classifier the mean of f(x).
    With the objective `relativistic` f(x_i) is compared with r_i, the real sample of its row: the critic minimises
    sum_i w_i log(1 + exp(f(x_i) - f(r_i))) + penalties, w as above, and the generator's ratio multiplies
    -log(1 + exp(f(r_i) - f(x_i))). (The paper has the Wasserstein objective alone; here another takes its place.)
    l is C's logit, l_old the logit under C's weights when (b) began. Both are taken in inference mode and under the
    same batch-norm statistics, so they are functions of x alone, and r is 1 while the weights stay. Where learners
    share one batch (`centralized`), they share the weights w too; `center_scores` takes the mean of each learner's own.
    Each update of (b) costs, besides a plain generator update: the generator forward once, C forward and back on twice
    the batch, C forward and back to x twice. Memory: C, its optimizer's slots, and during (b) one copy of C's weights.

    Figures: those of the last critic update, and means over the updates of (b), but `ratio/max` is the largest ratio in
    (b).

    Args:
      players: "critic", "generator", and for ratio clipping "classifier".
      strategy, game: as `Trainer` takes them.
      clipping: how the ratio clips; used with a classifier only.
      reweighting_temperature: temperature of w; None: no reweighting.
      **others: as `Trainer` takes them.
    """

    def __init__(
        self,
        players: Sequence[Player],
        strategy: Strategy,
        game: Game,
        *,
        clipping: RatioClipping | None = None,
        reweighting_temperature: float | None = 1.0,
        **others: Any,
    ) -> None:
        self._clipping, self._temperature = clipping or RatioClipping(), reweighting_temperature
        # The labels of the last batch, for `diagnose`. Checkpoints need not hold them: a step comes before a diagnosis.
        self._labels_seen = tf.Variable(tf.zeros([game.batch_size], tf.int32), trainable=False)
        super().__init__(players, strategy, game, **others)

    @property
    def _has_classifier(self) -> bool:
        return "classifier" in self._player

    def _compile(self) -> None:
        super()._compile()
        jit = self._game.jit
        self._reweighted_gradients = self._compiled(self._reweighted_losses_and_gradients, jit)
        self._surrogate_gradients = self._compiled(self._surrogate_loss_and_gradients, jit)
        self._classifier_gradients = self._compiled(self._classifier_loss_and_gradients, jit)
        self._inner_update = self._compiled(self._update_inner)
        variance = shared_reweighting.GradientVariance(
            self._player["generator"], self._player["critic"], self._temperature
        )
        gradient_pair = self._compiled(variance.gradient_pair, jit)

        def diagnose(step: tf.Tensor) -> dict[str, tf.Tensor]:
            return variance.measured(gradient_pair, self._fresh_inputs, step)

        self._diagnose = self._compiled(diagnose)

    def _updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        last = self.batches_a_step - 1
        if self._game.conditional:
            self._labels_seen.assign(batches[1][last])
        waited, finite = self._critic_updates(step, batches, 0, last)
        critic = self._critic_update(step * (last + 1) + last, self._batch_of(batches, last))
        inner = self._inner_steps(step, batches)
        return Outcome(
            {**critic.figures, **inner.figures},
            waited + critic.waited + inner.waited,
            finite & critic.finite & inner.finite,
        )

    def _inner_steps(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        """Part (b) of a step."""
        count = self._player["generator"].updates
        old = self._player["classifier"].values() if self._has_classifier else []
        names = figure_names(self._inner_update, step, self._batch_of(batches, 0), old)

        def inner(
            index: tf.Tensor, total: tf.Tensor, highest: tf.Tensor, waited: tf.Tensor, finite: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            real = self._batch_of(batches, index % self.batches_a_step)
            found = self._inner_update(step * count + index, real, old)
            figures = tf.stack([found.figures[name] for name in names])
            highest, waited = tf.maximum(highest, figures), waited + found.waited
            return index + 1, total + figures, highest, waited, finite & found.finite

        zeros, lowest = tf.zeros([len(names)]), tf.fill([len(names)], -tf.float32.max)
        begin = (tf.constant(0, tf.int64), zeros, lowest, no_wait(), tf.constant(True))
        _, total, highest, waited, finite = tf.while_loop(
            lambda index, *_: index < count, inner, begin, parallel_iterations=1
        )
        means = tf.where([name == "ratio/max" for name in names], highest, total / count)
        return Outcome(dict(zip(names, tf.unstack(means), strict=True)), waited, finite)

    def _update_inner(self, update: tf.Tensor, real: tuple[Any, ...], old: list[tf.Tensor]) -> Outcome:
        """One classifier update, if there is a classifier, and one of the generator.

        Args:
          old: weights of C when (b) began.
        """
        figures: Figures = {}
        waited, finite = no_wait(), tf.constant(True)
        if self._has_classifier:
            mixing, found = self._begin(
                "classifier", update, lambda latents: self._classifier_gradients(latents, *real)
            )
            classifier = self._apply("classifier", mixing, found)
            waited, finite = classifier.waited, classifier.finite
            figures = found.figures
        mixing, found = self._begin("generator", update, lambda latents: self._surrogate_gradients(latents, old, *real))
        generator = self._apply("generator", mixing, found)
        return Outcome({**figures, **generator.figures}, waited + generator.waited, finite & generator.finite)

    def _play_critic(
        self, latents: Any, alpha: tf.Tensor, real: Any, *labels: tf.Tensor
    ) -> tuple[Gradients, tf.Tensor]:
        if self._temperature is None:
            return super()._play_critic(latents, alpha, real, *labels)
        found = self._reweighted_gradients(latents, alpha, real, *labels)
        everyone, place, waited = self.strategy.share_batch(found.share, "reweighting")  # [learners, 2]
        scale, effective = shared_reweighting.scale_of(found.share, everyone, place)
        gradients = [a + scale * b for a, b in zip(found.rest, found.generated, strict=True)]
        loss = found.losses[0] + scale * found.losses[1]
        figures = {
            "loss/critic": loss,
            "loss/gradient_penalty": found.penalty,
            "reweighting/effective_sample_size": effective,
        }
        return Gradients(gradients, loss, figures), waited

    def _reweighted_losses_and_gradients(
        self, latents: Any, alpha: tf.Tensor, real: Any, *labels: tf.Tensor
    ) -> _Reweighted:
        fake, temperature = self._generate(latents, real, labels), self._temperature or 1.0
        weights = [v.value for v in self._player["critic"].variables]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            real_scores, added, penalty = self._critic_loss.of_real(real, fake, alpha, labels)
            scores = in_training(self.critic, fake, labels)
            w = objectives.summing_exactly(objectives.sample_weights(scores, temperature))
            of_real, generated = self._game.objective.weighted_critic_terms(real_scores, scores, w)
            rest = added + of_real
        mass = objectives.log_mass(scores, temperature)
        share = tf.stack([mass, objectives.effective_sample_size(w)])
        of_rest, of_generated = (gradients_of(tape, loss, weights) for loss in (rest, generated))
        return _Reweighted(of_rest, of_generated, (rest, generated), penalty, share)

    def _classifier_loss_and_gradients(self, latents: Any, real: Any, *labels: tf.Tensor) -> Gradients:
        """Binary cross-entropy of real samples and as many generated ones, in one pass, for one batch norm."""
        player = self._player["classifier"]
        both = tf.concat([self._game.feed.like_generated(real), self._generate(latents, real, labels)], axis=0)
        weights = [v.value for v in player.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = in_training(player.model, both, [tf.tile(kinds, [2]) for kinds in labels])
            of_real, of_fake = tf.split(tf.reshape(logits, [-1]), 2)
            loss = objectives.NonSaturating().critic_loss(of_real, of_fake)
        right = tf.concat([of_real > 0, of_fake < 0], axis=0)
        accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
        return Gradients(
            gradients_of(tape, loss, weights), loss, {"loss/classifier": loss, "classifier/accuracy": accuracy}
        )

    def _surrogate_loss_and_gradients(
        self, latents: Any, old: list[tf.Tensor], real: Any, *labels: tf.Tensor
    ) -> Gradients:
        objective, weights = self._game.objective, [v.value for v in self._player["generator"].variables]
        figures: Figures = {}
        others = tf.reshape(in_training(self.critic, real, labels), [-1]) if objective.compares else None
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            fake = self._generate(latents, real, labels)
            scores = tf.reshape(in_training(self.critic, fake, labels), [-1])
            if self._has_classifier:
                loss, figures = self._clipped_loss(objective.payoff(scores, others), fake, old, labels)
            else:
                loss = objective.generator_loss(scores, others)
            loss, further = self._whole_loss(loss, fake, latents, real)
        figures |= {"loss/generator": loss, "critic/mean_score": tf.reduce_mean(scores), **further}
        return Gradients(gradients_of(tape, loss, weights), loss, figures)

    def _clipped_loss(
        self, payoff: tf.Tensor, fake: tf.Tensor, old: list[tf.Tensor], labels: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, Figures]:
        """(minus the mean of the clipped surrogate, figures of the ratio)."""
        new, how = self._player["classifier"].values(), self._clipping
        ratio = objectives.probability_ratio(*(self._logits(w, fake, labels) for w in (new, old)))
        level = tf.stop_gradient(tf.reduce_mean(payoff)) if how.center_scores else 0.0
        surrogate = objectives.clipped_ratio_surrogate(payoff - level, ratio, how.epsilon, how.mode)
        loss = -tf.reduce_mean(surrogate)
        return loss, {
            "ratio/mean": tf.reduce_mean(ratio),
            "ratio/clip_fraction": objectives.clip_fraction(ratio, how.epsilon),
            "ratio/max": tf.reduce_max(ratio),
        }

    def _whole_loss(self, loss: tf.Tensor, fake: tf.Tensor, latents: Any, real: Any) -> tuple[tf.Tensor, Figures]:
        """(the generator's whole loss, further figures); a subclass adds terms to `loss`, which the scores give."""
        del fake, latents, real
        return loss, {}

    def _logits(self, weights: list[tf.Tensor], x: tf.Tensor, labels: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """float32 [n]: of the classifier with these weights and its present statistics, in inference mode."""
        classifier = self._player["classifier"].model
        others = [tf.convert_to_tensor(v) for v in classifier.non_trainable_variables]
        logits = applied(classifier, weights, others, inputs_of(x, labels))
        return tf.reshape(tf.cast(logits, tf.float32), [-1])

    def diagnose(self, step: int) -> dict[str, float]:
        """What reweighting does to the variance of the critic's gradient on generated samples.

        The term of generated samples is that of a Wasserstein critic; for other objectives there are no figures.
        """
        if self._pretrains(step - 1) or not self._shows_variance:
            return {}
        found = self._diagnose(tf.constant(step, tf.int64))
        return {name: float(value) for name, value in found.items()}

    @property
    def _shows_variance(self) -> bool:
        return not self._game.objective.compares

    def _fresh_inputs(self, draw: tf.Tensor) -> tuple[Any, ...]:
        """New inputs of the generator; for conditional nets also the labels of the last batch."""
        latents = self._latents("diagnosis latents", draw)
        return (latents, self._labels_seen) if self._game.conditional else (latents,)
