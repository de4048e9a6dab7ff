"""WGAN-GP by hand: what one would write in TensorFlow for this one problem."""

import time
from typing import Any

import tensorflow as tf

from tfdgan.optimizers import choice
from tfdgan.tasks import ImageOptions
from tfdgan.training.noise import Noise


class Bare:
    """Simultaneous updates of the critic and the generator, one step a call.

    Args:
      generator, critic: Keras models.
      options: of the trainer whose mathematics this is.
      batches: tf.data.Dataset of a step's real samples.
    """

    def __init__(self, generator: Any, critic: Any, options: ImageOptions, batches: tf.data.Dataset) -> None:
        self.generator, self.critic, self._options = generator, critic, options
        self._noise, self._batches, self._done = Noise(options.seed, 0), iter(batches), 0
        self._shape = [options.batch_size, options.latent_size]
        self._critic_optimizer = _optimizer(options, critic, options.learning_rate_d, options.critic_steps)
        self._generator_optimizer = _optimizer(options, generator, options.learning_rate_g, 1)
        self._weights = generator.trainable_variables + generator.non_trainable_variables
        self._averages = [tf.Variable(w, trainable=False) for w in self._weights]
        # A tf.function of a bound method spends time on `self` at every call.
        self._step = tf.function(lambda number, real: self._take(number, real), autograph=False)

    def block(self, length: int) -> float:
        """Milliseconds a step of the next `length` steps."""
        begun = time.perf_counter()
        for number in range(self._done, self._done + length):
            self._step(tf.constant(number, tf.int64), next(self._batches))
        tf.convert_to_tensor(self.generator.trainable_variables[0]).numpy()
        self._done += length
        return 1e3 * (time.perf_counter() - begun) / length

    def _take(self, number: tf.Tensor, real: tf.Tensor) -> None:
        updates = self._options.critic_steps
        for i, batch in enumerate(tf.split(real, updates)):
            gradients = self._critic_gradients(batch, number * updates + i)
            if i == updates - 1:
                last = self._generator_gradients(number)
            self._critic_optimizer.apply(gradients, self.critic.trainable_variables)
        self._generator_optimizer.apply(last, self.generator.trainable_variables)
        done = tf.cast(number, tf.float32)
        rate = 1 - tf.minimum(self._options.ema_decay, (1 + done) / (10 + done))
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign_add(rate * (weight - average))

    def _critic_gradients(self, real: tf.Tensor, draw: tf.Tensor) -> list[tf.Tensor]:
        size, critic = self._options.batch_size, self.critic
        fake = self.generator(self._noise.normal(self._shape, "critic latents", draw), training=True)
        alpha = self._noise.uniform([size], "interpolation", draw)
        points = real + tf.reshape(alpha, [-1] + [1] * (len(real.shape) - 1)) * (fake - real)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(critic(fake, training=True)) - tf.reduce_mean(critic(real, training=True))
            with tf.GradientTape() as inner:
                inner.watch(points)
                scores = critic(points, training=True)
            slopes = tf.reshape(inner.gradient(scores, points), [size, -1])
            norms = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=1) + 1e-12)
            loss += self._options.gradient_penalty * tf.reduce_mean(tf.square(norms - 1))
        return tape.gradient(loss, critic.trainable_variables)

    def _generator_gradients(self, draw: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            fake = self.generator(self._noise.normal(self._shape, "generator latents", draw), training=True)
            loss = -tf.reduce_mean(self.critic(fake, training=True))
        return tape.gradient(loss, self.generator.trainable_variables)


def _optimizer(options: ImageOptions, model: Any, rate: float, updates: int) -> Any:
    """The optimizer that the options name, built for a model that makes so many updates a step."""
    decay = options.steps * updates if options.learning_rate_decay == "linear" else 0
    made = choice.make(
        options.optimizer,
        rate,
        beta_1=options.beta_1,
        beta_2=options.beta_2,
        clip_norm=options.clip_norm,
        decay_updates=decay,
    )
    made.build(model.trainable_variables)
    return made
