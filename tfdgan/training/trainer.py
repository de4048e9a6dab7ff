"""What trainers share: players and their optimizers, the critic's update, the compiled step."""

import functools

import keras
import tensorflow as tf

from tfdgan import objectives, strategies
from tfdgan.errors import UserError
from tfdgan.models import spectral_norm
from tfdgan.optimizers import LinearDecay
from tfdgan.training import forms
from tfdgan.training.average import ModelAverage
from tfdgan.training.part import Part, gradients_of, hand_over, make_optimizer
from tfdgan.training.pretraining import Pretraining
from tfdgan.training.step_loop import looped

WAITING = "time/waiting"


def _with_features(critic):
    """samples -> (scores, features): the critic's own, by its layer of that name."""
    layer = next((layer for layer in critic.layers if layer.name == "features"), None)
    if layer is None:
        raise UserError("--consistency: the critic has no layer called features; use --model=ct_resnet")
    return keras.Model(critic.inputs, [critic.output, layer.output])


class Trainer:
    """Base of the trainers: a generator against a critic, and whoever else plays.

    A subclass says who plays (`parts`), which numbers a step gives beside the time spent waiting (`figures`), and which
    updates a step is made of (`_updates`). A gradient with NaN or Inf is never applied, so weights that are sent are
    finite; the first such step is in `fault_step`. Under `jit` XLA compiles what computes gradients; updates and
    exchanges stay outside.

    `step(step, batch)` takes one step of the game, compiled: `step` is a scalar int64 tensor, from 0; `batch` holds
    samples, float32 [critic_steps * batch_size, *sample_shape] or int32 words; for conditional models (samples, labels
    int32 [...]), where generated samples have the labels of the real ones. It returns float64 [len(metrics)].
    The first `pretraining_steps` steps are not of the game, see `Pretraining`; `steps` takes both.

    Args:
      generator, critic: Keras models, built.
      config: a `Config`.
      noise: a `Noise`, this learner's.
      size: number of learners.

    Attributes:
      players: `Player`s by the order in which they are exchanged.
      metrics: names of what a step returns.
      diagnostics: names of what `diagnose` returns: dearer figures, taken at ticks.
    """

    figures = ("loss/critic", "loss/generator", "loss/gradient_penalty")
    diagnostics = ()

    def __init__(self, generator, critic, config, noise, size):
        self.generator, self.critic, self._config, self._noise = generator, critic, config, noise
        self._form = forms.make(config, generator)
        self._objective = objectives.OBJECTIVES[config.objective]
        self._relative = config.objective == "relativistic"  # its generator's loss takes real scores too
        self._penalty = objectives.PENALTIES[config.penalty]
        self._with_features = _with_features(critic) if config.consistency else None
        self._parts = self.parts()
        self._player = {
            name: strategies.Player(name, list(part.model.trainable_variables), make_optimizer(config, part))
            for name, part in self._parts.items()
        }
        self.players = list(self._player.values())
        self.strategy = strategies.make(config, self.players, size)
        self._pretraining = Pretraining(generator, config, size) if config.pretraining_steps else None
        self.average = ModelAverage(generator, config.ema_decay) if config.ema_decay else None
        self.fault_step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._size = size
        self._compile()

    def parts(self):
        """{name: `Part`}, the critic first."""
        return {
            "critic": Part(
                self.critic, self._config.learning_rate_d, self._config.critic_steps, self._config.clip_norm
            ),
            "generator": Part(self.generator, self._config.learning_rate_g, 1, self._config.clip_norm),
        }

    def _updates(self, step, batches):
        """A step's updates: (`figures` as a list, seconds waited, whether every loss and gradient is finite).

        `batches`: the step's batch, or samples and labels of it, as a tuple of [critic_steps, batch_size, ...].
        """
        raise NotImplementedError

    def diagnose(self, step):
        """float64 [len(diagnostics)] of the models as they are; changes nothing."""
        del step
        return tf.zeros([0], tf.float64)

    @property
    def metrics(self):
        return (*self.figures, WAITING)

    def metrics_at(self, step):
        """Names of what `steps` returns for steps from `step` on, an int."""
        return (*Pretraining.figures, WAITING) if self._pretrains(step) else self.metrics

    def diagnostics_at(self, step):
        """Names of what `diagnose` is good for after `step` steps."""
        return () if self._pretrains(step - 1) else self.diagnostics

    def _pretrains(self, step):
        return self._pretraining is not None and step < self._config.pretraining_steps

    def steps(self, first, count, batches):
        """The mean metrics of `count` steps from `first`, which are all of one phase; as `looped` says."""
        looped_steps = self._pretraining_steps if self._pretrains(int(first)) else self._game_steps
        return looped_steps(first, count, batches)

    def _compiled(self, function, jit=False):
        # A closure, since tf.function spends time on `self` at every call of a decorated method; with the method's
        # name, or TensorFlow takes all of them for one that is traced again and again. Each is traced once, however
        # often a step calls it.
        @functools.wraps(function)
        def closure(*args):
            return function(*args)

        return tf.function(closure, autograph=False, jit_compile=jit or None)

    def _compile(self):
        self._critic_gradients = self._compiled(self._critic_losses_and_gradients, self._config.jit)
        self._generator_gradients = self._compiled(self._generator_loss_and_gradients, self._config.jit)
        self._critic_update = self._compiled(self._update_critic)
        self.step = self._compiled(self._step)
        self._game_steps = looped(self.step, len(self.metrics))
        if self._pretraining:
            pretraining_step = self._compiled(self._pretraining_step)
            self._pretraining_steps = looped(pretraining_step, len(self.metrics_at(0)))

    def go_on_among(self, ranks):
        """Only the learners `ranks` are left. A directed topology is laid anew among them, since without the others
        it would not keep the mean; in a symmetric one the lost edges' weight has gone back to self, which does."""
        if not self._config.schedule(self._size).is_symmetric:
            for strategy in self._strategies:
                strategy.lay(self._config.schedule_among(ranks, self._size))
            self._compile()

    def draw_apart(self, learner):
        """Give this learner random states (of dropout) of its own; every learner has learner 0's before."""
        for part in self._parts.values():
            for variable in part.model.variables:
                if variable.name == "seed_generator_state":  # of Keras' SeedGenerator: a seed and a counter
                    state = tf.convert_to_tensor(variable)
                    variable.assign(state + tf.cast([learner * 7919, 0], state.dtype))

    def go_on_from(self, step):
        """Let decaying learning rates continue at `step`, however young the optimizers are."""
        for name, player in self._player.items():
            schedule = player.optimizer._learning_rate
            if isinstance(schedule, LinearDecay):
                updates = max(0, step - self._config.pretraining_steps) * self._parts[name].updates
                schedule.offset.assign(updates - tf.cast(player.optimizer.iterations.value, tf.int64))

    def reset(self):
        """Take the models' present weights as the start: no history in the strategy or the average."""
        self.forget_mixing()
        if self.average:
            self.average.reset()

    def forget_mixing(self):
        """Take the weights as the start of the strategies alone."""
        for strategy in self._strategies:
            strategy.reset()

    @property
    def _strategies(self):
        return [self.strategy, *([self._pretraining.strategy] if self._pretraining else [])]

    @property
    def state(self):
        """{name: variables}: everything that a learner needs to go on as if never interrupted."""
        groups = {f"model/{name}": part.model.variables for name, part in self._parts.items()}
        groups |= {f"optimizer/{player.name}": player.optimizer.variables for player in self.players}
        groups |= {f"strategy/{name}": variables for name, variables in self.strategy.state.items()}
        if self._pretraining:
            groups["optimizer/pretraining"] = self._pretraining.player.optimizer.variables
            kept = self._pretraining.strategy.state
            groups |= {f"strategy/pretraining/{name}": variables for name, variables in kept.items()}
        if self.average:
            groups["average/generator"] = self.average.variables
        return groups

    @property
    def batches_a_step(self):
        return self._config.critic_steps

    def _step(self, step, batch):
        self._form.prepare(step)
        return self._any_step(step, batch, self.strategy, self._updates)

    def _pretraining_step(self, step, batch):
        return self._any_step(step, batch, self._pretraining.strategy, self._pretraining.updates)

    def _any_step(self, step, batch, strategy, updates):
        count, size = self._config.critic_steps, self._config.batch_size
        batch = batch if isinstance(batch, tuple) else (batch,)
        batches = tf.nest.map_structure(lambda x: tf.reshape(x, [count, size, *x.shape[1:]]), batch)
        begun = strategy.begin_step(step)
        with tf.control_dependencies(strategy.started(begun)):
            figures, waited, finite = updates(step, batches)
        waited += strategy.end_step(begun)
        if self.average:
            self.average.update(step)
        self.fault_step.assign(tf.where((self.fault_step < 0) & ~finite, step, self.fault_step))
        return tf.concat([tf.cast(tf.stack(figures), tf.float64), [waited]], axis=0)

    def _critic_updates(self, step, batches, first, last):
        """Critic updates number `first` to `last` - 1 of a step: (seconds waited, whether all is finite)."""
        updates = self._config.critic_steps

        def update(index, waited, finite):
            _, more, alright = self._critic_update(step * updates + index, self._batch_of(batches, index))
            return index + 1, waited + more, finite & alright

        so_far = (tf.constant(first, tf.int64), tf.constant(0.0, tf.float64), tf.constant(True))
        if last > first:
            so_far = tf.while_loop(lambda index, *_: index < last, update, so_far, parallel_iterations=1)
        return so_far[1:]

    def _update_critic(self, update, real):
        """One critic update: (loss, further figures, norm of the gradient; seconds waited; whether all is finite)."""

        def game(latents):
            alpha = self._noise.uniform([self._config.batch_size], "interpolation", update)
            return self._critic_game(latents, alpha, *real)

        mixing, (gradients, waited, loss, *figures) = self._begin("critic", update, game)
        norm, more, finite = self._apply("critic", mixing, loss, gradients)
        return (loss, *figures, norm), waited + more, finite

    def _begin(self, name, update, game):
        """Before a player's update: (the mix begun, what `game`, a function of generator latents, gives meanwhile)."""
        spectral_norm.update(self._parts[name].model)
        mixing = self.strategy.begin_update(self._player[name], update)
        with tf.control_dependencies(self.strategy.started(mixing)):
            return mixing, game(self._latents(f"{name} latents", update))

    def _critic_game(self, latents, alpha, *real):
        """(gradients, seconds waited, loss, further figures) of the critic."""
        gradients, *figures = self._critic_gradients(latents, alpha, *real)
        return gradients, tf.constant(0.0, tf.float64), *figures

    def _latents(self, purpose, draw):
        return self._form.draw(self._noise, self._config.batch_size, purpose, draw)

    def _batch_of(self, batches, index):
        """The batch of one update, of what `_updates` is given: (samples as the critic takes them, *labels)."""
        return self._form.present(*(x[index] for x in batches))

    def _generate(self, latents, real, labels):
        """Generated samples, in training mode, beside a batch of real ones."""
        del real
        return in_training(self.generator, latents, labels)

    def _critic_losses_and_gradients(self, latents, alpha, real, *labels):
        fake = self._generate(latents, real, labels)
        weights = [v.value for v in self._player["critic"].variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            real_scores, rest, penalty = self._real_side(real, fake, alpha, labels)
            loss = self._objective.critic_loss(real_scores, in_training(self.critic, fake, labels)) + rest
        return gradients_of(tape, loss, weights), loss, penalty

    def _real_side(self, real, fake, alpha, labels):
        """(scores of real samples, what is added to the loss, the penalty in it)."""
        scores, added, penalty = None, tf.constant(0.0), tf.constant(0.0)
        if self._with_features:
            passes = [self._with_features(inputs_of(real, labels), training=True) for _ in range(2)]
            scores, added = passes[0][0], self._config.consistency * objectives.penalties.consistency(*passes)
        else:
            scores = in_training(self.critic, real, labels)
        if self._config.gradient_penalty:
            penalty = self._penalty(lambda x: in_training(self.critic, x, labels), real, fake, alpha)
            added += self._config.gradient_penalty * penalty
        return scores, added, penalty

    def _generator_loss_and_gradients(self, latents, real, *labels):
        weights = [v.value for v in self._player["generator"].variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            fake = self._generate(latents, real, labels)
            scores = [in_training(self.critic, fake, labels)]
            if self._relative:
                scores.append(in_training(self.critic, real, labels))
            loss = self._objective.generator_loss(*scores)
        return gradients_of(tape, loss, weights), loss

    def _apply(self, name, mixing, loss, gradients):
        return hand_over(self.strategy, self._player[name], mixing, loss, gradients)


def inputs_of(x, labels):
    return [x, *labels] if labels else x


def in_training(model, x, labels):
    """The model's float32 output in training mode; `labels`: one tensor or none."""
    return tf.cast(model(inputs_of(x, labels), training=True), tf.float32)
