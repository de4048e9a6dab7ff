"""The clipped-ratio trainer: probability ratio clipping and sample reweighting.

Wu, Zhou, Wilson, Xing, Hu, "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting",
NeurIPS 2020, Algorithm 1.
"""

import numpy as np
import tensorflow as tf

from tfdgan import models, objectives
from tfdgan.models.stateless import applied
from tfdgan.training.part import Part, gradients_of
from tfdgan.training.trainer import Trainer, in_training, inputs_of

_VARIANCE_BATCHES = 4  # of generated samples, for the variance of the critic's gradient


class ClippedRatioTrainer(Trainer):
    """Trains a generator against a critic, and a classifier C of real against generated beside them.

    A step is
    (a) `critic_steps` critic updates, to minimise -mean f(real) + sum_i w_i f(x_i) + penalties, where with
        `sample_reweighting` w = softmax(f / temperature) over the batch x of generated samples, else 1 / batch;
    (b) `generator_steps` times: with `ratio_clipping` an update of the classifier C, on the critic's real batches in
        turn and on newly generated samples; then a generator update, to maximise the mean of the clipped surrogate of
        f(x) and r(x) = exp(l_old(x) - l(x)), else of f(x).
    With the objective `relativistic` f(x_i) is compared with the real sample of its row, r_i: the critic minimises
    sum_i w_i log(1 + exp(f(x_i) - f(r_i))) + penalties, w as above, and what the generator's ratio multiplies is
    -log(1 + exp(f(r_i) - f(x_i))) (the paper has no such thing; this is its objective put in the place of the paper's).
    l is C's logit, l_old that under C's weights when (b) began. Both are taken in inference mode and under the same
    batch-norm statistics, so that they are functions of x alone and r is 1 while the weights stay. Where learners share
    one batch (`centralized`) so do the weights w; `center_scores` takes the mean of each learner's own.
    Passes for each update of (b) beyond a plain generator's: the generator forward once, C forward and back on twice
    the batch, C forward and back to x twice. Memory: C, its optimizer's slots, and during (b) one copy of C's weights.

    Metrics: of the last critic update; means over (b), but for `ratio/max`, the largest in (b). The rest is as in
    `Trainer`.
    """

    further = ()  # figures of the generator's updates that a subclass adds

    @property
    def diagnostics(self):
        """What reweighting does to a Wasserstein critic's gradient; nothing for other objectives."""
        return () if self._relative else ("gradient_variance/reweighted", "gradient_variance/plain")

    def __init__(self, generator, critic, config, noise, size):
        self._classifier = models.build_classifier(config, critic) if config.ratio_clipping else None
        # The last labels, for `diagnose`. No state to keep: a step always comes before it.
        self._labels_seen = tf.Variable(tf.zeros([config.batch_size], tf.int32), trainable=False)
        super().__init__(generator, critic, config, noise, size)

    def parts(self):
        config = self._config
        found = {
            "critic": Part(self.critic, config.learning_rate_d, config.critic_steps, config.clip_norm),
            "generator": Part(self.generator, config.learning_rate_g, config.generator_steps, config.clip_norm),
        }
        if self._classifier:
            found["classifier"] = Part(
                self._classifier, config.learning_rate_c, config.generator_steps, config.clip_norm_c
            )
        return found

    @property
    def figures(self):
        critic = ["loss/critic", "loss/gradient_penalty"]
        if self._config.sample_reweighting:
            critic.append("reweighting/effective_sample_size")
        inner = ["loss/generator", "gradient_norm/generator", "critic/mean_score"]
        if self._classifier:
            inner += ["loss/classifier", "classifier/accuracy", "ratio/mean", "ratio/clip_fraction", "ratio/max"]
        return (*critic, "gradient_norm/critic", *inner, *self.further)

    def _compile(self):
        super()._compile()
        self._classifier_gradients = self._compiled(self._classifier_loss_and_gradients, self._config.jit)
        self._inner_update = self._compiled(self._update_inner)
        self._gradient_pair = self._compiled(self._plain_and_reweighted_gradients, self._config.jit)
        self.diagnose = self._compiled(self._diagnose)

    def _updates(self, step, batches):
        last = self._config.critic_steps - 1
        if len(batches) > 1:
            self._labels_seen.assign(batches[1][last])
        waited, finite = self._critic_updates(step, batches, 0, last)
        critic, more, alright = self._critic_update(step * (last + 1) + last, self._batch_of(batches, last))
        inner, most, fine = self._inner_steps(step, batches)
        return [*critic, *tf.unstack(inner)], waited + more + most, finite & alright & fine

    def _inner_steps(self, step, batches):
        """(b): (its figures, seconds waited, whether all is finite)."""
        count = self._config.generator_steps
        old = self._player["classifier"].values() if self._classifier else []
        names = self.figures[self.figures.index("loss/generator") :]

        def inner(index, total, highest, waited, finite):
            real = self._batch_of(batches, index % self._config.critic_steps)
            figures, more, alright = self._inner_update(step * count + index, real, old)
            return index + 1, total + figures, tf.maximum(highest, figures), waited + more, finite & alright

        begin = (
            tf.constant(0, tf.int64),
            tf.zeros([len(names)]),
            tf.fill([len(names)], -tf.float32.max),
            tf.constant(0.0, tf.float64),
            tf.constant(True),
        )
        _, total, highest, waited, finite = tf.while_loop(
            lambda index, *_: index < count, inner, begin, parallel_iterations=1
        )
        return tf.where([name == "ratio/max" for name in names], highest, total / count), waited, finite

    def _update_inner(self, update, real, old):
        """One classifier update, if there is one, and one of the generator: (figures, seconds waited, finite)."""
        classifier, waited, finite = [], tf.constant(0.0, tf.float64), tf.constant(True)
        if self._classifier:
            mixing, (gradients, *classifier) = self._begin(
                "classifier", update, lambda latents: self._classifier_gradients(latents, *real)
            )
            _, waited, finite = self._apply("classifier", mixing, classifier[0], gradients)
        mixing, (gradients, loss, score, *ratio) = self._begin(
            "generator", update, lambda latents: self._generator_gradients(latents, old, *real)
        )
        norm, more, alright = self._apply("generator", mixing, loss, gradients)
        return tf.stack([loss, norm, score, *classifier, *ratio]), waited + more, finite & alright

    def _critic_game(self, latents, alpha, *real):
        if not self._config.sample_reweighting:
            return super()._critic_game(latents, alpha, *real)
        rest, generated, losses, penalty, mine = self._critic_gradients(latents, alpha, *real)
        everyone, place, waited = self.strategy.of_one_batch(mine, "reweighting")  # [learners, 2]
        # Another learner's NaN is its fault, not this one's.
        mass = tf.where(tf.math.is_finite(everyone[:, 0]), everyone[:, 0], -np.inf)
        shares = objectives.summing_exactly(tf.nn.softmax(mass))
        # Gradients will be averaged over these learners, so each counts by its share times their number.
        scale = tf.where(tf.math.is_finite(mine[0]), shares[place] * everyone.shape[0], np.nan)
        gradients = [a + scale * b for a, b in zip(rest, generated, strict=True)]
        effective = 1.0 / tf.reduce_sum(tf.square(shares) / everyone[:, 1])
        return gradients, waited, losses[0] + scale * losses[1], penalty, effective

    def _critic_losses_and_gradients(self, latents, alpha, real, *labels):
        """With reweighting: gradients of the generated samples' term apart from the others', since its scale depends on
        learners that share the batch; (log of the weights' sum, effective sample size) last."""
        if not self._config.sample_reweighting:
            return super()._critic_losses_and_gradients(latents, alpha, real, *labels)
        fake = self._generate(latents, real, labels)
        weights = [v.value for v in self._player["critic"].variables]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            real_scores, added, penalty = self._real_side(real, fake, alpha, labels)
            scores = in_training(self.critic, fake, labels)
            w = objectives.summing_exactly(objectives.sample_weights(scores, self._config.reweighting_temperature))
            if self._relative:
                rest, generated = added, tf.reduce_sum(w * tf.nn.softplus(scores - real_scores))
            else:
                rest, generated = added - tf.reduce_mean(real_scores), tf.reduce_sum(w * scores)
        mass = objectives.log_mass(scores, self._config.reweighting_temperature)
        gradients = (gradients_of(tape, loss, weights) for loss in (rest, generated))
        return *gradients, (rest, generated), penalty, tf.stack([mass, objectives.effective_sample_size(w)])

    def _classifier_loss_and_gradients(self, latents, real, *labels):
        """Binary cross-entropy of real samples and as many generated ones, in one pass, for one batch norm."""
        both = tf.concat([self._form.like_generated(real), self._generate(latents, real, labels)], axis=0)
        weights = [v.value for v in self._player["classifier"].variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = in_training(self._classifier, both, [tf.tile(kinds, [2]) for kinds in labels])
            of_real, of_fake = tf.split(tf.reshape(logits, [-1]), 2)
            loss = objectives.non_saturating.critic_loss(of_real, of_fake)
        right = tf.concat([of_real > 0, of_fake < 0], axis=0)
        return gradients_of(tape, loss, weights), loss, tf.reduce_mean(tf.cast(right, tf.float32))

    def _generator_loss_and_gradients(self, latents, old, real, *labels):
        config, weights = self._config, [v.value for v in self._player["generator"].variables]
        figures, others = [], []
        if self._relative:
            others = [tf.reshape(in_training(self.critic, real, labels), [-1])]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            fake = self._generate(latents, real, labels)
            scores = tf.reshape(in_training(self.critic, fake, labels), [-1])
            if self._classifier:
                new = self._player["classifier"].values()
                ratio = objectives.probability_ratio(*(self._logits(w, fake, labels) for w in (new, old)))
                payoff = -tf.nn.softplus(others[0] - scores) if self._relative else scores
                level = tf.stop_gradient(tf.reduce_mean(payoff)) if config.center_scores else 0.0
                loss = -tf.reduce_mean(
                    objectives.clipped_ratio_surrogate(payoff - level, ratio, config.clip_epsilon, config.clip_mode)
                )
                clipped = objectives.clip_fraction(ratio, config.clip_epsilon)
                figures = [tf.reduce_mean(ratio), clipped, tf.reduce_max(ratio)]
            else:
                loss = self._objective.generator_loss(scores, *others)
            loss, further = self._whole_loss(loss, fake, latents, real)
        return gradients_of(tape, loss, weights), loss, tf.reduce_mean(scores), *figures, *further

    def _whole_loss(self, loss, fake, latents, real):
        """(the generator's loss, `further` figures), of the loss that its scores give."""
        del fake, latents, real
        return loss, []

    def _logits(self, weights, x, labels):
        """float32 [n]: of the classifier with these weights and its present statistics, in inference mode."""
        others = _values(self._classifier.non_trainable_variables)
        logits = applied(self._classifier, weights, others, inputs_of(x, labels))
        return tf.reshape(tf.cast(logits, tf.float32), [-1])

    def _diagnose(self, step):
        """The variance of the critic's gradient on generated samples, with and without reweighting.

        sum_j Var(g_j) over all weights j, between batches, from 4 of them.
        """
        variables = self._player["critic"].variables
        totals = [[tf.zeros(v.shape) for v in variables] for _ in self.diagnostics]
        squares = [tf.constant(0.0, tf.float64) for _ in self.diagnostics]
        labels = [self._labels_seen] if self._config.conditional else []
        for index in range(_VARIANCE_BATCHES):
            latents = self._latents("diagnosis latents", step * _VARIANCE_BATCHES + index)
            for kind, gradients in enumerate(self._gradient_pair(latents, *labels)):
                totals[kind] = [a + b for a, b in zip(totals[kind], gradients, strict=True)]
                squares[kind] += _square(gradients)
        pairs = zip(squares, totals, strict=True)
        return tf.stack([(s - _square(t) / _VARIANCE_BATCHES) / (_VARIANCE_BATCHES - 1) for s, t in pairs])

    def _plain_and_reweighted_gradients(self, latents, *labels):
        """In the order of `diagnostics`, of models that stay as they are."""
        (made_by, beside), (weights, others) = (
            [_values(group) for group in (model.trainable_variables, model.non_trainable_variables)]
            for model in (self.generator, self.critic)
        )
        fake = applied(self.generator, made_by, beside, inputs_of(latents, labels), training=True)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            scores = tf.cast(applied(self.critic, weights, others, inputs_of(fake, labels), training=True), tf.float32)
            w = objectives.sample_weights(scores, self._config.reweighting_temperature)
            means = tf.reduce_sum(w * scores), tf.reduce_mean(scores)
        return [gradients_of(tape, mean, weights) for mean in means]


def _values(variables):
    return [tf.convert_to_tensor(v) for v in variables]


def _square(tensors):
    return tf.cast(2 * tf.add_n([tf.nn.l2_loss(tensor) for tensor in tensors]), tf.float64)
