"""What the trainer costs: its step against a bare hand-written TensorFlow loop of the same mathematics.

    python tools/bench_step.py --problem=gaussians,digits,dcgan32 --blocks=5

Both loops train equal models on equal batches and noise by WGAN-GP with optimistic Adam and a running average. The
trainer adds guards against NaN, metrics and the strategy (local). Blocks of steps alternate in one process; a ratio is
that of the median steps of two neighbouring blocks. "differ" is the largest difference of weights after warm-up.
"""

import multiprocessing
import resource
import statistics
import sys
import time

from absl import flags

from tfdgan import command, config
from tfdgan.errors import UserError

_STEPS = {"gaussians": 200, "digits": 40, "dcgan32": 3}  # a block
_WARM_UP = 5  # steps


def _define(flag_values):
    flags.DEFINE_list("problem", list(_STEPS), f"Of {', '.join(_STEPS)}.", flag_values=flag_values)
    flags.DEFINE_integer("blocks", 5, "Blocks of each loop.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("steps", None, "Steps a block; default: by problem.", lower_bound=1, flag_values=flag_values)


def settings(problem):
    """The `Config` of a problem, with strategy local."""
    if problem == "dcgan32":
        return config.Config(dataset="given", batch_size=16, strategy="local")
    path, flag_values = f"configs/{problem}.flags", flags.FlagValues()
    config.define(flag_values)
    try:
        flag_values(["bench_step", f"--flagfile={path}"])
    except flags.Error as error:
        raise UserError(f"{path}: {error}") from error
    return config.Config(**{**config.given(flag_values), "strategy": "local"})


class Bare:
    """WGAN-GP by hand: what one would write for this one problem. Simultaneous updates."""

    def __init__(self, generator, critic, options, noise):
        import tensorflow as tf

        from tfdgan.training.adversarial import make_optimizer

        self.generator, self.critic = generator, critic
        updates, shape = options.critic_steps, [options.batch_size, options.latent_size]
        critic_optimizer = make_optimizer(options, options.learning_rate_d, updates)
        generator_optimizer = make_optimizer(options, options.learning_rate_g, 1)
        critic_optimizer.build(critic.trainable_variables)
        generator_optimizer.build(generator.trainable_variables)
        weights = generator.trainable_variables + generator.non_trainable_variables
        averages = [tf.Variable(w, trainable=False) for w in weights]

        def critic_gradients(real, draw):
            fake = generator(noise.normal(shape, "critic latents", draw), training=True)
            alpha = noise.uniform([options.batch_size], "interpolation", draw)
            points = real + tf.reshape(alpha, [-1] + [1] * (len(real.shape) - 1)) * (fake - real)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(critic(fake, training=True)) - tf.reduce_mean(critic(real, training=True))
                with tf.GradientTape() as inner:
                    inner.watch(points)
                    scores = critic(points, training=True)
                slopes = tf.reshape(inner.gradient(scores, points), [options.batch_size, -1])
                norms = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=1) + 1e-12)
                loss += options.gradient_penalty * tf.reduce_mean(tf.square(norms - 1))
            return tape.gradient(loss, critic.trainable_variables)

        def generator_gradients(draw):
            with tf.GradientTape() as tape:
                fake = generator(noise.normal(shape, "generator latents", draw), training=True)
                loss = -tf.reduce_mean(critic(fake, training=True))
            return tape.gradient(loss, generator.trainable_variables)

        @tf.function(autograph=False)
        def step(number, real):
            for i, batch in enumerate(tf.split(real, updates)):
                gradients = critic_gradients(batch, number * updates + i)
                if i == updates - 1:
                    last = generator_gradients(number)
                critic_optimizer.apply(gradients, critic.trainable_variables)
            generator_optimizer.apply(last, generator.trainable_variables)
            done = tf.cast(number, tf.float32)
            rate = 1 - tf.minimum(options.ema_decay, (1 + done) / (10 + done))
            for average, weight in zip(averages, weights, strict=True):
                average.assign_add(rate * (weight - average))

        self.step = step


def build(problem):
    """(the trainer, the bare loop, two equal iterators of batches)."""
    import numpy as np

    from tfdgan import distributed, tasks
    from tfdgan.training.adversarial import AdversarialTrainer
    from tfdgan.training.noise import Noise

    distributed.start()
    options = settings(problem)
    samples = np.random.default_rng(0).uniform(-1, 1, (2048, 32, 32, 3)) if options.dataset == "given" else None
    task = tasks.ImageTask(options, samples=samples)
    source = task.source()
    trainer = AdversarialTrainer(*task.build_models(source.sample_shape), options, Noise(options.seed, 0), 1)
    trainer.reset()
    bare = Bare(*task.build_models(source.sample_shape), options, Noise(options.seed, 0))
    count = options.batch_size * options.critic_steps
    streams = [iter(source.stream(count, options.seed, 0).prefetch(2)) for _ in range(2)]
    return trainer, bare, streams


def measure(problem, blocks, steps):
    """A row of the table."""
    import numpy as np
    import tensorflow as tf

    trainer, bare, streams = build(problem)
    done = [0, 0]

    def block(which, length):
        """The median milliseconds of `length` steps."""
        times, results, step = [], [], (trainer, bare)[which].step
        for number in range(done[which], done[which] + length):
            begun = time.perf_counter()
            results.append(step(tf.constant(number, tf.int64), next(streams[which])))
            times.append(1e3 * (time.perf_counter() - begun))
        done[which] += length
        return statistics.median(times)

    for which in range(2):
        block(which, _WARM_UP)
    pairs = zip(trainer.generator.get_weights(), bare.generator.get_weights(), strict=True)
    differ = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    times = [(block(0, steps), block(1, steps)) for _ in range(blocks)]
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = [a / b for a, b in times]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ratio, spread = statistics.median(ratios), f"{min(ratios):.3f} to {max(ratios):.3f}"
    return f"{problem:<12}{ours:>12.2f}{theirs:>10.2f}{ratio:>8.3f}{spread:>18}{memory:>10.0f}{differ:>10.1g}"


def main(argv):
    flag_values = command.parse(argv, _define)
    for problem in flag_values.problem:
        if problem not in _STEPS:
            raise UserError(f"--problem={problem}: choose among {', '.join(_STEPS)}")
    head = f"{'problem':<12}{'trainer, ms':>12}{'bare, ms':>10}{'ratio':>8}{'range':>18}{'peak, MiB':>10}{'differ':>10}"
    print(head, flush=True)
    for problem in flag_values.problem:
        # A process each, since the peak of memory is the process's.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(measure, (problem, flag_values.blocks, flag_values.steps or _STEPS[problem])), flush=True)


if __name__ == "__main__":
    command.run(main, sys.argv)
