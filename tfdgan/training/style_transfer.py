"""The clipped-ratio trainer for style transfer: what a rewriter's game has beside realistic sentences."""

import tensorflow as tf

from tfdgan.training.clipped_ratio import ClippedRatioTrainer
from tfdgan.training.trainer import in_training


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
    What tells styles by z is a part of the critic: it has its optimizer, its updates, its cut of gradients. Each
    learner divides by the words of its own batch, as in `Pretraining`.
    Reweighting weighs the critic's generated term only, as the paper's equation has it. The released code also shows
    the style head generated sentences, at a weight of .0005; here it learns from real ones alone.

    The paper: see `clipped_ratio`; the terms are those of Tikhonov et al., see `models.rewriter`.

    Metrics beside: means over the generator's updates of the loss of reconstruction, how many rewritten sentences the
    critic takes for the style they should have, 1 - cos(z, content(x')), and how often z tells the style.
    """

    further = ("loss/reconstruction", "style/accuracy", "content/distance", "content/told")
    diagnostics = ()

    def _generate(self, latents, real, labels):
        del labels
        noise, _ = latents
        return in_training(self.generator, [real[0], self._wanted(latents, real), noise], [])

    def _wanted(self, latents, real):
        """The style of each rewritten sentence."""
        return (real[1] + latents[1]) % self.generator.styles

    def _real_side(self, real, fake, alpha, labels):
        del labels
        words, styles = real
        embedded, mask = self.critic.embed(words)
        generated, generated_mask = self.critic.embed(fake)
        scores, logits = self.critic.judge(embedded, mask, training=True)
        told = self.critic.content_styles(tf.stop_gradient(self.generator.content(words)))
        added, penalty = self._config.style_weight_d * _cross_entropy(styles, logits), tf.constant(0.0)
        if self._config.gradient_penalty:
            either = tf.maximum(mask, generated_mask)
            critic = lambda x: self.critic.judge(x, either, training=True)[0]  # noqa: E731
            penalty = self._penalty(critic, embedded, generated, alpha)
        return scores, added + _cross_entropy(styles, told) + self._config.gradient_penalty * penalty, penalty

    def _whole_loss(self, loss, fake, latents, real):
        config, (words, styles), wanted = self._config, real, self._wanted(latents, real)
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
            + config.score_weight * loss
            + config.style_weight * _cross_entropy(wanted, judged)
            + config.content_weight * tf.add_n(distances)
            - config.invariance_weight * _cross_entropy(styles, told)
        )
        return loss, [repeated, _accuracy(wanted, judged), distances[0], _accuracy(styles, told)]


def _cross_entropy(labels, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32)))


def _accuracy(labels, logits):
    return tf.reduce_mean(tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.float32))


def _distance(a, b):
    """1 - cos of the angle between rows, their mean."""
    a, b = (tf.math.l2_normalize(tf.cast(x, tf.float32), axis=1, epsilon=1e-12) for x in (a, b))
    return 1.0 - tf.reduce_mean(tf.reduce_sum(a * b, axis=1))
