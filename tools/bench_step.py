"""What a step costs, in time and memory.

    python tools/bench_step.py --part=overhead --problem=gaussians,digits,dcgan32
    python tools/bench_step.py --part=options --problem=dcgan32,resnet32,ct_resnet32,sagan64
    python tools/bench_step.py --task=text --problem=text_oracle20

overhead: the trainer's steps against a bare hand-written TensorFlow loop of the same mathematics. Both train equal
models on equal batches and noise by WGAN-GP with optimistic Adam and a running average. The trainer adds guards against
NaN, metrics and the strategy (local), and stays in TensorFlow for a block; the bare loop returns to Python each step.
"differ" is the largest difference of weights after warm-up.

options: a model's step under one option after another, against the same step without it.

--task=text: sentences a second of pretraining, sampling and a step of the game, with and without --jit; a problem is a
configuration.

Blocks of steps alternate in one process; a ratio is that of two neighbouring blocks, the median over pairs. Peaks of
memory are of a process of its own.
"""

import statistics
import sys
import time

import sentence_speeds
from absl import flags
from measuring import alone, configuration, peak

from tfdgan import command, config, rules
from tfdgan.errors import UserError

_STEPS = {"gaussians": 200, "digits": 40, "dcgan32": 3}  # a block
_WARM_UP = 5  # steps
_IMAGES = dict(dataset="given", strategy="local", batch_size=4)
_HINGE = dict(objective="hinge", gradient_penalty=0.0)
_SPECTRAL = dict(spectral_normalization="critic")
_CT_RESNET = dict(model="ct_resnet", width_g=256, width_d=332, latent_size=128, batch_size=2, critic_steps=1)
_BASE = dict(trainer="clipped_ratio", update="alternating", ratio_clipping=False, sample_reweighting=False)
_POINTS = dict(dataset="gaussians", model="mlp", strategy="local", latent_size=2, width_g=128, width_d=128)
_PROBLEMS = {  # the papers' nets, on little batches
    "gaussians": _POINTS,
    "dcgan32": _IMAGES,
    "resnet32": {**_IMAGES, **_HINGE, **_SPECTRAL, "model": "resnet", "width_g": 256, "width_d": 128},
    "ct_resnet32": {**_IMAGES, **_CT_RESNET},
    "sagan64": {**_IMAGES, **_HINGE, "model": "sagan", "image_size": 64, "latent_size": 128, "critic_steps": 1},
    "dcgan32_ratio": {**_IMAGES, **_BASE},  # with five critic and five generator updates a step
    "ct_resnet32_ratio": {**_IMAGES, **_CT_RESNET, **_BASE, "generator_steps": 1},
}


def _define(flag_values):
    flags.DEFINE_enum("task", "image", rules.TASKS, "What is generated.", flag_values=flag_values)
    flags.DEFINE_enum("part", None, ["overhead", "options"], "Measured; default: overhead.", flag_values=flag_values)
    problems = f"Of {', '.join({**_STEPS, **_PROBLEMS})}; all. Of text: configurations; text_oracle20."
    flags.DEFINE_list("problem", [], problems, flag_values=flag_values)
    flags.DEFINE_integer("blocks", 5, "Blocks of each loop.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("steps", None, "Steps a block; default: by problem.", lower_bound=1, flag_values=flag_values)


def settings(problem):
    """The `Config` of a problem, with strategy local."""
    if problem == "dcgan32":
        return config.Config(dataset="given", batch_size=16, strategy="local")
    return configuration(problem, strategy="local")


class Bare:
    """WGAN-GP by hand: what one would write for this one problem. Simultaneous updates."""

    def __init__(self, generator, critic, options, noise):
        import tensorflow as tf

        from tfdgan.training.part import Part, make_optimizer

        self.generator, self.critic = generator, critic
        updates, shape = options.critic_steps, [options.batch_size, options.latent_size]
        critic_optimizer = make_optimizer(options, Part(critic, options.learning_rate_d, updates))
        generator_optimizer = make_optimizer(options, Part(generator, options.learning_rate_g, 1))
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


def trainer_and_batches(options, classes=None):
    """(a trainer, its source of batches) on the data of the options, or on uniform noise."""
    import numpy as np

    from tfdgan import tasks
    from tfdgan.training import trainers
    from tfdgan.training.noise import Noise

    samples, side = None, options.image_size or 32
    if options.dataset == "given":
        random = np.random.default_rng(0)
        samples = random.uniform(-1, 1, (256, side, side, 3)).astype(np.float32)
        samples = (samples, np.arange(256) % classes) if classes else samples
    task = tasks.ImageTask(options, samples=samples)
    source = task.source()
    models = task.build_models(source.sample_shape, source.classes)
    trainer = trainers.make(options, *models, Noise(options.seed, 0), 1)
    trainer.reset()
    stream = source.stream(options.batch_size * options.critic_steps, options.seed, 0, labelled=options.conditional)
    return trainer, stream.prefetch(2)


def block_of(trainer, stream, at_once=10):
    """A function: milliseconds a step of a block of `length` steps, of which a call takes `at_once`."""
    import tensorflow as tf

    batches, done = iter(stream), 0

    def block(length):
        nonlocal done
        begun = time.perf_counter()
        for first in range(done, done + length, at_once):
            count = min(at_once, done + length - first)
            metrics = trainer.steps(tf.constant(first, tf.int64), tf.constant(count, tf.int64), batches)
        metrics.numpy()
        done += length
        return 1e3 * (time.perf_counter() - begun) / length

    return block


def overhead(problem, blocks, steps):
    """A row: the trainer against the bare loop."""
    import numpy as np
    import tensorflow as tf

    from tfdgan import distributed, models
    from tfdgan.training.noise import Noise

    distributed.start()
    options = settings(problem)
    trainer, stream = trainer_and_batches(options)
    shape = tuple(stream.element_spec.shape[1:])
    bare, batches, done = Bare(*models.build(options, shape), options, Noise(options.seed, 0)), iter(stream), 0

    def bare_block(length):
        nonlocal done
        begun = time.perf_counter()
        for number in range(done, done + length):
            bare.step(tf.constant(number, tf.int64), next(batches))
        tf.convert_to_tensor(bare.generator.trainable_variables[0]).numpy()
        done += length
        return 1e3 * (time.perf_counter() - begun) / length

    our_block = block_of(trainer, stream, options.steps_per_loop)
    our_block(_WARM_UP), bare_block(_WARM_UP)
    pairs = zip(trainer.generator.get_weights(), bare.generator.get_weights(), strict=True)
    differ = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    times = [(our_block(steps), bare_block(steps)) for _ in range(blocks)]
    return f"{problem:<12}{summary(times)}{peak():>10.0f}{differ:>10.1g}"


def summary(times):
    """Columns of (ours, theirs) in ms: medians, the median ratio and its range."""
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = [a / b for a, b in times]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return f"{ours:>12.2f}{theirs:>10.2f}{statistics.median(ratios):>8.3f}{spread:>18}"


def variants(problem):
    """{name: changes to the problem's `Config`}; the first is what the others are compared with."""
    if "trainer" in _PROBLEMS[problem]:
        clipping, reweighting = dict(ratio_clipping=True), dict(sample_reweighting=True)
        both = {"both": {**clipping, **reweighting}}
        return {"plain": {}, "--ratio_clipping": clipping, "--sample_reweighting": reweighting, **both}
    found = {"plain": {}, "--jit": dict(jit=True), "--precision=bfloat16": dict(precision="bfloat16")}
    found["--ema_decay=0"] = dict(ema_decay=0.0)
    if problem == "gaussians":
        found = {"plain": {}, "--steps_per_loop=1": dict(steps_per_loop=1), "--ema_decay=0": dict(ema_decay=0.0)}
        return {**found, "--learning_rate_decay=linear": dict(learning_rate_decay="linear")}
    if problem in ("resnet32", "sagan64"):
        found["--conditional"] = dict(conditional=True)
        found["--gradient_penalty=10"] = dict(gradient_penalty=10.0)
    else:
        found["--gradient_penalty=0"] = dict(gradient_penalty=0.0)
        found["--penalty=r1"] = dict(penalty="r1")
    if problem == "dcgan32":
        found["--critic_steps=1"] = dict(critic_steps=1)
    if problem == "ct_resnet32":
        found["--consistency=2"] = dict(consistency=2.0)
    return found


def option_ratio(problem, name, blocks, steps):
    """Times of blocks with an option and without, in one process."""
    from tfdgan import config, distributed

    distributed.start()
    found = []
    for changes in (variants(problem)[name], {}):
        options = config.Config(**{**_PROBLEMS[problem], **changes})
        found.append(block(options))
        found[-1](1)  # compiles
    pairs = [tuple(timed(steps) for timed in found) for _ in range(blocks + 1)]
    return pairs[1:]  # the first after compiling is several times slower


def option_peak(problem, name):
    """The peak of memory of two steps with an option."""
    from tfdgan import config, distributed

    distributed.start()
    block(config.Config(**{**_PROBLEMS[problem], **variants(problem)[name]}))(2)
    return peak()


def block(options):
    """`block_of` a trainer with these options."""
    return block_of(*trainer_and_batches(options, 10 if options.conditional else None), options.steps_per_loop)


def main(argv):
    flag_values = command.parse(argv, _define)
    if flag_values.task == "text":
        if flag_values.part:
            raise UserError(f"--part={flag_values.part}: --task=text has no parts; leave it out")
        sentence_speeds.show(flag_values.problem, flag_values.blocks, flag_values.steps or 1)
        return
    options = flag_values.part == "options"
    known = _PROBLEMS if options else _STEPS
    for problem in flag_values.problem or known:
        if problem not in known:
            raise UserError(f"--problem={problem}: choose among {', '.join(known)}")
    blocks, ours = flag_values.blocks, "with, ms" if options else "trainer, ms"
    theirs = "plain, ms" if options else "bare, ms"
    columns = f"{ours:>12}{theirs:>10}{'ratio':>8}{'range':>18}{'peak, MiB':>10}"
    if not options:
        print(f"{'problem':<12}{columns}{'differ':>10}", flush=True)
        for problem in flag_values.problem or known:
            print(alone(overhead, problem, blocks, flag_values.steps or _STEPS[problem]), flush=True)
        return
    print(f"{'problem':<18}{'option':<24}{columns}", flush=True)
    for problem in flag_values.problem or known:
        for name in variants(problem):
            times = alone(
                option_ratio, problem, name, blocks, flag_values.steps or (200 if problem == "gaussians" else 2)
            )
            most = alone(option_peak, problem, name)
            print(f"{problem:<18}{name:<24}{summary(times)}{most:>10.0f}", flush=True)


if __name__ == "__main__":
    command.run(main, sys.argv)
