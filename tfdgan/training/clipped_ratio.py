"""The clipped-ratio trainer: probability ratio clipping and sample reweighting.

Wu, Zhou, Wilson, Xing, Hu, "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting",
NeurIPS 2020, Algorithm 1.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.models.stateless import under
from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import LARGEST, BatchLoss, Outputs
from tfdgan.training.compiled import compiled
from tfdgan.training.game import Game
from tfdgan.training.gradients import Figures, Gradients, Outcome, in_training
from tfdgan.training.ratio_classifier import RatioClassifier, RatioClipping
from tfdgan.training.reweighting_trainer import ReweightingTrainer
from tfdgan.training.step_loop import figure_names
from tfdgan.training.trainer import SEED_STATE
from tfdgan.training.twin import Twin


class ClippedRatioTrainer(ReweightingTrainer):
    """Trains a generator against a critic, and a classifier C of real against generated beside them.

    A step is
    (a) the critic's updates, to minimise -mean f(real) + sum_i w_i f(x_i) + penalties. With reweighting
        w = softmax(f / temperature), or softmax(spread f / std(f)), over the batch x of generated samples, else
        w = 1 / batch;
    (b) as often as the generator has updates: with a classifier one update of C, on the critic's real batches in turn
        and on newly generated samples; then a generator update, to maximise the mean of the clipped surrogate of f(x)
        and r(x) = exp(l_old(x) - l(x)), without a classifier the mean of f(x).
    With the objective `relativistic` f(x_i) is compared with r_i, the real sample of its row: the critic minimises
    sum_i w_i log(1 + exp(f(x_i) - f(r_i))) + penalties, w as above, and the generator's ratio multiplies
    -log(1 + exp(f(r_i) - f(x_i))). (The paper has the Wasserstein objective alone; here another takes its place.)
    l is C's logit, l_old the logit under C's weights when (b) began; with `clipping.paired`, that of C's twin, which
    takes the same updates on samples of the generator as it was when (b) began. Both are taken in inference mode and
    under the same batch-norm statistics, so they are functions of x alone, and r is 1 while the weights stay. Where
    learners share one batch (`centralized`), they share the weights w too; `center_scores` takes the mean of each
    learner's own. With `reused_latents` all of (b) has the same latents, for C and for the generator.
    Each update of (b) costs, besides a plain generator update: the generator forward once, C forward and back on twice
    the batch, C forward and back to x twice; and paired, the old generator forward once and what `training.twin` says.
    Memory: C, its optimizer's slots, and during (b) a copy of C's weights; paired, a copy of the generator's weights in
    place of C's, and what `training.twin` says.

    Figures: those of the last critic update, and means over the updates of (b), but `ratio/max` is the largest ratio in
    (b).

    Args:
      players: "critic", "generator", and for ratio clipping "classifier".
      strategy, game: as `Trainer` takes them.
      clipping: how the ratio clips; used with a classifier only.
      reused_latents: whether the updates of (b) share one batch of latents.
      **others: as `ReweightingTrainer` takes them, which takes the critic's updates.
    """

    def __init__(
        self,
        players: Sequence[Player],
        strategy: Strategy,
        game: Game,
        *,
        clipping: RatioClipping | None = None,
        reused_latents: bool = False,
        **others: Any,
    ) -> None:
        self._reused = reused_latents
        classifier = next((player for player in players if player.name == "classifier"), None)
        self._ratio: RatioClassifier | None = None
        self._twin: Twin | None = None
        if classifier:
            clipping = clipping or RatioClipping()
            self._ratio = RatioClassifier(classifier, game.feed, clipping)
            self._twin = Twin(classifier, self._ratio, strategy) if clipping.paired else None
        super().__init__(players, strategy, game, **others)

    def _compile(self) -> None:
        super()._compile()
        jit = self._game.jit
        nets = [self.generator, self.critic]
        self._surrogate_gradients = self._gradients_function("generator", self._surrogate_batch_loss, nets)
        if self._ratio:
            nets = [self._player["classifier"].model]
            self._classifier_gradients = self._gradients_function("classifier", self._ratio.batch_loss, nets)
        if self._twin:
            self._twin.compile(self._game.noise_every, jit)
            self._old_samples = compiled(self._generate_by, jit)
        self._inner_update = compiled(self._update_inner)

    def _updates(self, step: tf.Tensor, batches: tuple[tf.Tensor, ...]) -> Outcome:
        last = self.batches_a_step - 1
        self._see_labels(batches)
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
        old = self._before_inner_steps()
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

    def bytes_a_step(self, step: int) -> float | None:
        sent = super().bytes_a_step(step)
        return sent if sent is None or not self._twin or self._pretrains(step) else sent + self._twin.bytes_a_step()

    def _before_inner_steps(self) -> list[tf.Tensor]:
        """What part (b) has to know of the weights when it began: C's, or, paired, all of the generator's."""
        if not self._twin:
            return self._ratio.values() if self._ratio else []
        self._twin.begin()
        return [tf.convert_to_tensor(v) for v in (*self.generator.trainable_variables, *self._statistics)]

    @property
    def _statistics(self) -> list[Any]:
        """The generator's untrained variables but for random states."""
        return [v for v in self.generator.non_trainable_variables if v.name != SEED_STATE]

    def _generate_by(
        self, values: Sequence[tf.Tensor], latents: Any, real: Any, labels: tuple[tf.Tensor, ...]
    ) -> tf.Tensor:
        """What `_generate` gives under other weights and statistics, and the present random states."""
        count = len(self.generator.trainable_variables)
        others = iter(values[count:])
        untrained = [
            tf.convert_to_tensor(v) if v.name == SEED_STATE else next(others)
            for v in self.generator.non_trainable_variables
        ]
        with under(self.generator, values[:count], untrained):
            return self._generate(latents, real, labels)

    def _update_inner(self, update: tf.Tensor, real: tuple[Any, ...], old: list[tf.Tensor]) -> Outcome:
        """One classifier update, if there is a classifier, and one of the generator.

        Args:
          old: as `_before_inner_steps` gave it.
        """
        figures: Figures = {}
        samples, labels = real[0], tuple(real[1:])
        waited, finite = no_wait(), tf.constant(True)

        def play_generator() -> Gradients:
            batch = (self._inner_latents("generator latents", update), samples, labels)
            return self._surrogate_gradients(update, batch, self._twin.values() if self._twin else old)

        if self._ratio:
            classifier = self._update_classifier(update, samples, labels, old)
            waited, finite, figures = classifier.waited, classifier.finite, classifier.figures
        mixing, found = self._begin("generator", update, play_generator)
        generator = self._apply("generator", mixing, found)
        waited += generator.waited + self.strategy.combine(self._player["generator"], update, False)
        return Outcome({**figures, **generator.figures}, waited, finite & generator.finite)

    def _update_classifier(
        self, update: tf.Tensor, samples: Any, labels: tuple[tf.Tensor, ...], old: list[tf.Tensor]
    ) -> Outcome:
        """One update of C, and of the twin if there is one: as `_update_inner` takes its arguments."""
        player, latents = self._player["classifier"], self._inner_latents("classifier latents", update)

        def play() -> tuple[Gradients, Gradients | None]:
            beside = None
            if self._twin:  # before C: see `Twin.gradients`
                fake = self._old_samples(old, latents, samples, labels)
                beside = self._twin.gradients(update, (fake, samples, labels))
            fake = self._samples(latents, samples, labels)
            return self._classifier_gradients(update, (fake, samples, labels)), beside

        mixing, (found, beside) = self._begin("classifier", update, play)
        outcome = self._apply("classifier", mixing, found)
        waited, finite = outcome.waited + self.strategy.combine(player, update, False), outcome.finite
        if self._twin and beside:
            twin = self._twin.apply(beside)
            waited, finite = waited + twin.waited, finite & twin.finite
        return Outcome(found.figures, waited, finite)

    def _inner_latents(self, purpose: str, update: tf.Tensor) -> Any:
        """Latents of an update of part (b)."""
        if self._reused:
            return self._latents("inner latents", update // self._player["generator"].updates)
        return self._latents(purpose, update)

    def _surrogate_batch_loss(self, old: list[tf.Tensor]) -> BatchLoss:
        """The generator's loss over a batch (inputs, real samples, labels).

        Args:
          old: weights of C when (b) began, or of its twin now.
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
