"""The clipped-ratio trainer: probability ratio clipping and sample reweighting.

Wu, Zhou, Wilson, Xing, Hu, "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting",
NeurIPS 2020, Algorithm 1.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training import shared_reweighting
from tfdgan.training.batch_loss import LARGEST, BatchLoss, Outputs
from tfdgan.training.compiled import compiled
from tfdgan.training.game import Game
from tfdgan.training.gradients import Figures, Gradients, Outcome, in_training
from tfdgan.training.ratio_classifier import RatioClassifier, RatioClipping
from tfdgan.training.reweighted_critic import ReweightedCritic
from tfdgan.training.step_loop import figure_names
from tfdgan.training.trainer import Trainer


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
        self._temperature = reweighting_temperature
        classifier = next((player for player in players if player.name == "classifier"), None)
        self._ratio = classifier and RatioClassifier(classifier, game.feed, clipping or RatioClipping())
        if reweighting_temperature is not None and game.noise_every and strategy.shares_batch:
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
        if self._temperature is not None:
            reweighted = ReweightedCritic(
                self._player["critic"], self._critic_outputs, self._critic_loss, self._game.objective, self._temperature
            )
            self._reweighted_terms = compiled(reweighted.terms, jit)
            self._reweighted_gradients = self._gradients_function("critic", reweighted.batch_loss, [self.critic])
        nets = [self.generator, self.critic]
        self._surrogate_gradients = self._gradients_function("generator", self._surrogate_batch_loss, nets)
        if self._ratio:
            nets = [self._player["classifier"].model]
            self._classifier_gradients = self._gradients_function("classifier", self._ratio.batch_loss, nets)
        self._inner_update = compiled(self._update_inner)
        variance = shared_reweighting.GradientVariance(
            self._player["generator"], self._player["critic"], self._temperature
        )
        gradient_pair = compiled(variance.gradient_pair, jit)

        def diagnose(step: tf.Tensor) -> dict[str, tf.Tensor]:
            return variance.measured(gradient_pair, self._fresh_inputs, step)

        self._diagnose = compiled(diagnose)

    def _updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        last = self.batches_a_step - 1
        if self._game.conditional:
            self._labels_seen.assign(batches[1][last])
        waited, finite = self._critic_updates(step, batches, 0, last)
        update, real = step * (last + 1) + last, self._batch_of(batches, last)
        pending: dict[str, Sequence[tf.Tensor]] = {}
        if self.strategy.combines == "step":  # the critic's mix runs behind part (b)
            critic, pending["critic"] = self._last_critic_update(update, real)
        else:
            critic = self._critic_update(update, real)
        inner = self._inner_steps(step, batches)
        waited += critic.waited + inner.waited + self._end_mixes(step, pending, [critic.finite, inner.finite])
        return Outcome({**critic.figures, **inner.figures}, waited, finite & critic.finite & inner.finite)

    def _end_mixes(
        self, step: tf.Tensor, pending: dict[str, Sequence[tf.Tensor]], after: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """Mix, once a step, whoever played in part (b), and wait for all mixes: seconds waited."""
        if self.strategy.combines != "step":
            return no_wait()
        for player in self.players:
            if player.name not in pending:
                begun = self.strategy.begin_combine(player, (step + 1) * player.updates - 1, True)
                pending[player.name] = begun.pending if begun else ()
        with tf.control_dependencies(after):
            waits = [self.strategy.end_combine(self._player[name], mix) for name, mix in pending.items() if mix]
        return tf.reduce_max([no_wait(), *waits])

    def _inner_steps(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        """Part (b) of a step."""
        count = self._player["generator"].updates
        old = self._ratio.values() if self._ratio else []
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
        means = tf.where([name in LARGEST for name in names], highest, total / count)
        return Outcome(dict(zip(names, tf.unstack(means), strict=True)), waited, finite)

    def _update_inner(self, update: tf.Tensor, real: tuple[Any, ...], old: list[tf.Tensor]) -> Outcome:
        """One classifier update, if there is a classifier, and one of the generator.

        Args:
          old: weights of C when (b) began.
        """
        figures: Figures = {}
        samples, labels = real[0], tuple(real[1:])
        waited, finite = no_wait(), tf.constant(True)

        def play_classifier() -> Gradients:
            fake = self._samples(self._latents("classifier latents", update), samples, labels)
            return self._classifier_gradients(update, (fake, samples, labels))

        def play_generator() -> Gradients:
            batch = (self._latents("generator latents", update), samples, labels)
            return self._surrogate_gradients(update, batch, old)

        if self._ratio:
            mixing, found = self._begin("classifier", update, play_classifier)
            classifier = self._apply("classifier", mixing, found)
            waited = classifier.waited + self.strategy.combine(self._player["classifier"], update, False)
            finite, figures = classifier.finite, found.figures
        mixing, found = self._begin("generator", update, play_generator)
        generator = self._apply("generator", mixing, found)
        waited += generator.waited + self.strategy.combine(self._player["generator"], update, False)
        return Outcome({**figures, **generator.figures}, waited, finite & generator.finite)

    def _find_critic_gradients(self, update: tf.Tensor, batch: Any) -> tuple[Gradients, tf.Tensor]:
        if self._temperature is None:
            return super()._find_critic_gradients(update, batch)
        if self._game.noise_every == 0:
            return self._shared_gradients(batch)
        return self._reweighted_gradients(update, batch), no_wait()

    def _shared_gradients(self, batch: Any) -> tuple[Gradients, tf.Tensor]:
        """(the critic's gradients, seconds waited), where learners may share one batch and so its weights w."""
        found = self._reweighted_terms(batch)
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

    def _surrogate_batch_loss(self, old: list[tf.Tensor]) -> BatchLoss:
        """The generator's loss over a batch (inputs, real samples, labels).

        Args:
          old: weights of C when (b) began.
        """
        objective = self._game.objective

        def outputs(batch: Any) -> Outputs:
            latents, real, labels = batch
            found = {}
            if objective.compares:
                found["others"] = tf.reshape(in_training(self.critic, real, labels), [-1])
            fake = self._generate(latents, real, labels)
            found["scores"] = tf.reshape(in_training(self.critic, fake, labels), [-1])
            if self._ratio:
                found |= self._ratio.outputs(fake, old, labels)
            return found | self._further_outputs(fake, latents, real)

        def payoff(found: Outputs) -> tf.Tensor:
            return objective.payoff(found["scores"], found.get("others"))

        def constants(found: Outputs) -> Outputs:
            of_ratio = self._ratio.constants(payoff(found)) if self._ratio else {}
            return {**of_ratio, **self._further_constants(found)}

        def value(found: Outputs, batch: Any) -> tuple[tf.Tensor, Figures]:
            del batch
            scores = found["scores"]
            figures: Figures = {}
            if self._ratio:
                loss, figures = self._ratio.loss(payoff(found), found)
            else:
                loss = objective.generator_loss(scores, found.get("others"))
            loss, further = self._whole_loss(loss, found)
            return loss, {
                **figures,
                "loss/generator": loss,
                "critic/mean_score": tf.reduce_mean(scores),
                **further,
            }

        return BatchLoss(outputs, value, constants)

    def _further_outputs(self, fake: tf.Tensor, latents: Any, real: Any) -> Outputs:
        """What a subclass's further terms need of each sample."""
        del fake, latents, real
        return {}

    def _further_constants(self, found: Outputs) -> Outputs:
        """What a subclass's further terms need of the whole batch, without a gradient."""
        del found
        return {}

    def _whole_loss(self, loss: tf.Tensor, found: Outputs) -> tuple[tf.Tensor, Figures]:
        """(the generator's whole loss, further figures); a subclass adds terms to `loss`, which the scores give."""
        del found
        return loss, {}

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
