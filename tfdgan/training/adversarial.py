"""The adversarial trainer: critic updates and a generator update a step, compiled as one function."""

import keras
import tensorflow as tf

from tfdgan import objectives, strategies
from tfdgan.errors import UserError
from tfdgan.models import spectral_norm
from tfdgan.optimizers import OptimisticAdam
from tfdgan.training.average import ModelAverage

METRICS = (
    "loss/critic",
    "loss/generator",
    "loss/gradient_penalty",
    "gradient_norm/critic",
    "gradient_norm/generator",
    "time/waiting",
)


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """initial * max(0, 1 - (iterations + offset) / total); `offset`: updates made before this optimizer began."""

    def __init__(self, initial, total):
        self.initial, self.total = initial, total
        self.offset = tf.Variable(0, dtype=tf.int64, trainable=False)

    def __call__(self, iterations):
        done = tf.cast(tf.cast(iterations, tf.int64) + self.offset, tf.float32)
        return self.initial * tf.maximum(0.0, 1.0 - done / self.total)

    def get_config(self):
        return {"initial": self.initial, "total": self.total}


def make_optimizer(config, learning_rate, updates_a_step):
    """The Keras optimizer of one player. Linear decay ends at 0 after `config.steps` steps."""
    if config.learning_rate_decay == "linear":
        learning_rate = LinearDecay(learning_rate, config.steps * updates_a_step)
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(learning_rate)
    make = OptimisticAdam if config.optimizer == "oadam" else keras.optimizers.Adam
    return make(learning_rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=1e-8)


def _with_features(critic):
    """samples -> (scores, features): the critic's own, by its layer of that name."""
    layer = next((layer for layer in critic.layers if layer.name == "features"), None)
    if layer is None:
        raise UserError("--consistency: the critic has no layer called features; use --model=ct_resnet")
    return keras.Model(critic.inputs, [critic.output, layer.output])


class AdversarialTrainer:
    """Trains a generator against a critic.

    A step is `critic_steps` critic updates and one generator update. With `simultaneous` updates the generator's
    gradient is taken at the critic before its last update of the step, with `alternating` after it. A gradient
    with NaN or Inf is never applied, so weights that are sent are finite; the first such step is in `fault_step`.

    `step(step, real)` takes one step, compiled: `step` is a scalar int64 tensor, from 0; `real` holds samples,
    float32 [critic_steps * batch_size, *sample_shape]. It returns float64 [len(METRICS)]: of the last critic update and
    of the generator's; waiting is the whole step's.

    Args:
      generator, critic: Keras models, built.
      config: a `Config`.
      noise: a `Noise`, this learner's.
      size: number of learners.
    """

    def __init__(self, generator, critic, config, noise, size):
        self.generator, self.critic, self._config, self._noise = generator, critic, config, noise
        self._objective = objectives.OBJECTIVES[config.objective]
        self._penalty = objectives.PENALTIES[config.penalty]
        self._with_features = _with_features(critic) if config.consistency else None
        self._critic_player = strategies.Player(
            "critic",
            list(critic.trainable_variables),
            make_optimizer(config, config.learning_rate_d, config.critic_steps),
        )
        self._generator_player = strategies.Player(
            "generator", list(generator.trainable_variables), make_optimizer(config, config.learning_rate_g, 1)
        )
        self.players = [self._critic_player, self._generator_player]
        self.strategy = strategies.make(config, self.players, size)
        self.average = ModelAverage(generator, config.ema_decay) if config.ema_decay else None
        self.fault_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._size = size
        self.step = self._compiled()

    def _compiled(self):
        # A closure, since tf.function spends time on `self` at every call of a decorated method.
        return tf.function(lambda step, real: self._step(step, real), autograph=False)

    def go_on_among(self, ranks):
        """Only the learners `ranks` are left. A directed topology is laid anew among them, since without the others
        it would not keep the mean; in a symmetric one the lost edges' weight has gone back to self, which does."""
        if not self._config.schedule(self._size).is_symmetric:
            self.strategy.lay(self._config.schedule_among(ranks, self._size))
            self.step = self._compiled()

    def go_on_from(self, step):
        """Let decaying learning rates continue at `step`, however young the optimizers are."""
        for player, updates in ((self._critic_player, self._config.critic_steps), (self._generator_player, 1)):
            schedule = player.optimizer._learning_rate
            if isinstance(schedule, LinearDecay):
                schedule.offset.assign(step * updates - tf.cast(player.optimizer.iterations.value, tf.int64))

    def reset(self):
        """Take the models' present weights as the start: no history in the strategy or the average."""
        self.strategy.reset()
        if self.average:
            self.average.reset()

    @property
    def state(self):
        """{name: variables}: everything that a learner needs to go on as if never interrupted."""
        groups = {"model/generator": self.generator.variables, "model/critic": self.critic.variables}
        groups |= {f"optimizer/{player.name}": player.optimizer.variables for player in self.players}
        groups |= {f"strategy/{name}": variables for name, variables in self.strategy.state.items()}
        if self.average:
            groups["average/generator"] = self.average.variables
        return groups

    @property
    def batches_a_step(self):
        return self._config.critic_steps

    def _step(self, step, real):
        begun = self.strategy.begin_step(step)
        with tf.control_dependencies(self.strategy.started(begun)):
            losses, waited, finite = self._updates(step, real)
        waited.append(self.strategy.end_step(begun))
        if self.average:
            self.average.update(step)
        is_first_fault = (self.fault_step < 0) & ~tf.reduce_all(tf.stack(finite))
        self.fault_step.assign(tf.where(is_first_fault, step, self.fault_step))
        return tf.concat([tf.cast(tf.stack(losses), tf.float64), [tf.add_n(waited)]], axis=0)

    def _updates(self, step, real):
        """The step's updates: (METRICS but the last, [seconds waited], [bool tensor: loss and gradient are finite])."""
        updates, batch = self._config.critic_steps, self._config.batch_size
        waited, finite = [], []
        for index, part in enumerate(tf.split(real, updates)):
            part = tf.ensure_shape(part, [batch, *real.shape[1:]])
            spectral_norm.update(self.critic)
            mixing, critic_losses, gradients = self._critic_gradients(step * updates + index, part)
            is_last = index == updates - 1
            if is_last and self._config.update == "simultaneous":
                generator = self._generator_gradients(step)
            critic_norm = self._apply(self._critic_player, mixing, critic_losses[0], gradients, waited, finite)
            if is_last and self._config.update == "alternating":
                generator = self._generator_gradients(step)
        mixing, generator_loss, gradients = generator
        generator_norm = self._apply(self._generator_player, mixing, generator_loss, gradients, waited, finite)
        losses = (critic_losses[0], generator_loss, critic_losses[1], critic_norm, generator_norm)
        return losses, waited, finite

    def _latents(self, purpose, draw):
        return self._noise.normal([self._config.batch_size, self._config.latent_size], purpose, draw)

    def _critic_gradients(self, update, real):
        mixing = self.strategy.begin_update(self._critic_player, update)
        with tf.control_dependencies(self.strategy.started(mixing)):
            return mixing, *self._critic_losses_and_gradients(update, real)

    def _critic_losses_and_gradients(self, update, real):
        fake = self.generator(self._latents("critic latents", update), training=True)
        weights = [v.value for v in self._critic_player.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            real_scores, consistency = self._real_scores(real)
            loss = self._objective.critic_loss(real_scores, self.critic(fake, training=True))
            penalty = tf.constant(0.0)
            if self._config.gradient_penalty:
                alpha = self._noise.uniform([self._config.batch_size], "interpolation", update)
                penalty = self._penalty(lambda x: self.critic(x, training=True), real, fake, alpha)
            total = loss + self._config.gradient_penalty * penalty + self._config.consistency * consistency
        gradients = tape.gradient(total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return (total, penalty), gradients

    def _real_scores(self, real):
        """(scores, consistency term) of real samples."""
        if not self._with_features:
            return self.critic(real, training=True), 0.0
        passes = [self._with_features(real, training=True) for _ in range(2)]
        return passes[0][0], objectives.penalties.consistency(*passes)

    def _generator_gradients(self, step):
        spectral_norm.update(self.generator)
        mixing = self.strategy.begin_update(self._generator_player, step)
        with tf.control_dependencies(self.strategy.started(mixing)):
            weights = [v.value for v in self._generator_player.variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                fake = self.generator(self._latents("generator latents", step), training=True)
                loss = self._objective.generator_loss(self.critic(fake, training=True))
            gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return mixing, loss, gradients

    def _apply(self, player, mixing, loss, gradients, waited, finite):
        """Hand gradients to the strategy; adds to the lists `waited` and `finite`. Returns the gradients' norm."""
        norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))
        finite.append(tf.math.is_finite(loss) & tf.math.is_finite(norm))
        waited.append(self.strategy.apply(player, gradients, finite[-1], mixing))
        return norm
