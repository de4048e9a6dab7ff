"""The adversarial trainer: critic updates and a generator update a step, compiled as one function."""

import keras
import tensorflow as tf

from tfdgan import objectives, strategies
from tfdgan.errors import UserError
from tfdgan.models import spectral_norm
from tfdgan.optimizers import OptimisticAdam
from tfdgan.training.average import ModelAverage
from tfdgan.training.step_loop import looped

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
    Under `jit` XLA compiles what computes gradients; updates and exchanges stay outside.

    `step(step, batch)` takes one step, compiled: `step` is a scalar int64 tensor, from 0; `batch` holds samples,
    float32 [critic_steps * batch_size, *sample_shape]; for conditional models (samples, labels int32 [...]), where
    generated samples have the labels of the real ones. It returns float64 [len(METRICS)]: of the last critic update
    and of the generator's; waiting is the whole step's. `steps` is `step` as `looped` makes it.

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
        self._compile()

    def _compile(self):
        # Closures, since tf.function spends time on `self` at every call of a decorated method. Each is traced once,
        # however often a step calls it.
        def compiled(function, jit=None):
            return tf.function(lambda *args: function(*args), autograph=False, jit_compile=jit)

        jit = True if self._config.jit else None
        self._critic_gradients = compiled(self._critic_losses_and_gradients, jit)
        self._generator_gradients = compiled(self._generator_loss_and_gradients, jit)
        self._critic_update = compiled(self._update_critic)
        self.step = compiled(self._step)
        self.steps = looped(self.step, len(METRICS))

    def go_on_among(self, ranks):
        """Only the learners `ranks` are left. A directed topology is laid anew among them, since without the others
        it would not keep the mean; in a symmetric one the lost edges' weight has gone back to self, which does."""
        if not self._config.schedule(self._size).is_symmetric:
            self.strategy.lay(self._config.schedule_among(ranks, self._size))
            self._compile()

    def draw_apart(self, learner):
        """Give this learner random states (of dropout) of its own; every learner has learner 0's before."""
        for variable in self.generator.variables + self.critic.variables:
            if variable.name == "seed_generator_state":  # of Keras' SeedGenerator: a seed and a counter
                state = tf.convert_to_tensor(variable)
                variable.assign(state + tf.cast([learner * 7919, 0], state.dtype))

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

    def _step(self, step, batch):
        begun = self.strategy.begin_step(step)
        with tf.control_dependencies(self.strategy.started(begun)):
            losses, waited, finite = self._updates(step, batch)
        waited += self.strategy.end_step(begun)
        if self.average:
            self.average.update(step)
        self.fault_step.assign(tf.where((self.fault_step < 0) & ~finite, step, self.fault_step))
        return tf.concat([tf.cast(tf.stack(losses), tf.float64), [waited]], axis=0)

    def _updates(self, step, batch):
        """The step's updates: (METRICS but the last, seconds waited, whether every loss and gradient is finite)."""
        updates, size = self._config.critic_steps, self._config.batch_size
        batch = batch if isinstance(batch, tuple) else (batch,)
        parts = tf.nest.map_structure(lambda x: tf.reshape(x, [updates, size, *x.shape[1:]]), batch)

        def part(index):
            return tf.nest.map_structure(lambda x: x[index], parts)

        def update(index, waited, finite):
            _, more, alright = self._critic_update(step * updates + index, part(index))
            return index + 1, waited + more, finite & alright

        so_far = (tf.constant(0, tf.int64), tf.constant(0.0, tf.float64), tf.constant(True))
        if updates > 1:
            so_far = tf.while_loop(lambda index, *_: index < updates - 1, update, so_far, parallel_iterations=1)
        _, waited, finite = so_far
        if self._config.update == "simultaneous":
            generator = self._begin_generator(step, part(updates - 1))
        critic, more, alright = self._critic_update((step + 1) * updates - 1, part(updates - 1))
        if self._config.update == "alternating":
            generator = self._begin_generator(step, part(updates - 1))
        loss, norm, most, fine = self._apply(self._generator_player, *generator)
        return (critic[0], loss, critic[1], critic[2], norm), waited + more + most, finite & alright & fine

    def _update_critic(self, update, real):
        """One critic update: ((loss, penalty, norm of the gradient), seconds waited, whether all is finite)."""
        spectral_norm.update(self.critic)
        mixing = self.strategy.begin_update(self._critic_player, update)
        with tf.control_dependencies(self.strategy.started(mixing)):
            alpha = self._noise.uniform([self._config.batch_size], "interpolation", update)
            latents = self._latents("critic latents", update)
            loss, penalty, gradients = self._critic_gradients(latents, alpha, *real)
        loss, norm, waited, finite = self._apply(self._critic_player, mixing, loss, gradients)
        return (loss, penalty, norm), waited, finite

    def _begin_generator(self, step, real):
        """What `_apply` takes for the generator's update: (the mix begun, loss, gradients)."""
        spectral_norm.update(self.generator)
        mixing = self.strategy.begin_update(self._generator_player, step)
        with tf.control_dependencies(self.strategy.started(mixing)):
            return mixing, *self._generator_gradients(self._latents("generator latents", step), *real[1:])

    def _latents(self, purpose, draw):
        return self._noise.normal([self._config.batch_size, self._config.latent_size], purpose, draw)

    def _critic_losses_and_gradients(self, latents, alpha, real, *labels):
        fake = _in_training(self.generator, latents, labels)
        weights = [v.value for v in self._critic_player.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            real_scores, consistency = self._real_scores(real, labels)
            loss = self._objective.critic_loss(real_scores, _in_training(self.critic, fake, labels))
            penalty = tf.constant(0.0)
            if self._config.gradient_penalty:
                penalty = self._penalty(lambda x: _in_training(self.critic, x, labels), real, fake, alpha)
            total = loss + self._config.gradient_penalty * penalty + self._config.consistency * consistency
        return total, penalty, _gradients(tape, total, weights)

    def _real_scores(self, real, labels):
        """(scores, consistency term) of real samples."""
        if not self._with_features:
            return _in_training(self.critic, real, labels), 0.0
        passes = [self._with_features(_inputs(real, labels), training=True) for _ in range(2)]
        return passes[0][0], objectives.penalties.consistency(*passes)

    def _generator_loss_and_gradients(self, latents, *labels):
        weights = [v.value for v in self._generator_player.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            fake = _in_training(self.generator, latents, labels)
            loss = self._objective.generator_loss(_in_training(self.critic, fake, labels))
        return loss, _gradients(tape, loss, weights)

    def _apply(self, player, mixing, loss, gradients):
        """Hand gradients to the strategy: (loss, the gradients' norm, seconds waited, whether both are finite)."""
        norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        return loss, norm, self.strategy.apply(player, gradients, finite, mixing), finite


def _gradients(tape, loss, weights):
    """Dense ones, also of embeddings; zeros where the loss does not depend on a weight."""
    gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _inputs(x, labels):
    return [x, *labels] if labels else x


def _in_training(model, x, labels):
    """The model's float32 output in training mode; `labels`: one tensor or none."""
    return tf.cast(model(_inputs(x, labels), training=True), tf.float32)
