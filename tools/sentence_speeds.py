"""Sentences a second of pretraining, sampling and the game: `bench_step.py --task=text`."""

import statistics
import tempfile
import time

import measuring

from tfdgan.cli import flagfiles
from tfdgan.errors import UserError


def show(problems, blocks, steps):
    """Print a table of these configurations; medians over `blocks` of `steps` steps."""
    print(
        f"{'configuration':<20}{'flag':<8}{'phase':<14}{'s a step':>10}{'sentences/s':>13}{'so far, MiB':>12}",
        flush=True,
    )
    for problem in problems or ["text_oracle20"]:
        for jit in (False, True):
            for row in measuring.alone(_speeds, problem, jit, blocks, steps):
                print(row, flush=True)


def _speeds(problem, jit, blocks, steps):
    """Rows of one configuration: medians over blocks, without the first, which compiles."""
    from tfdgan import distributed
    from tfdgan.cli.objects import make_trainer
    from tfdgan.tasks import TextTask

    flagfile = f"configs/{problem}.flags"
    if flagfiles.read(flagfile).task != "text":
        raise UserError(f"--problem={problem}: no configuration of text")
    distributed.start()
    with tempfile.TemporaryDirectory() as workdir:
        # The oracle's sentences cost as much as their number: any will do.
        options = flagfiles.read(flagfile, strategy="local", jit=jit, workdir=workdir, corpus_size=500)
        task = TextTask(options)
        source = task.source()
    trainer = make_trainer(options, task, *task.build_models(source.sample_shape))
    count = options.batch_size * options.critic_steps
    batches, rows = iter(source.stream(count, options.seed, 0).prefetch(2)), []
    generator = trainer.generator
    sampler = task.sampler(generator, (generator.trainable_variables, generator.non_trainable_variables), "bench")
    calls = {
        "pretraining": (count * steps, lambda: _taken(trainer, 0, steps, batches)),
        "sampling": (100 * steps, lambda: sampler.samples(100 * steps, seed=0)),
        "game": (count * steps, lambda: _taken(trainer, options.pretraining_steps, steps, batches)),
    }
    for phase, (number, call) in calls.items():
        if phase == "sampling" and jit:  # which it does not touch
            continue
        times = []
        for _ in range(blocks + 1):
            begun = time.perf_counter()
            call()
            times.append(time.perf_counter() - begun)
        seconds = statistics.median(times[1:])
        flag, rate = "--jit" if jit else "", number / seconds
        figures = f"{seconds / steps:>10.3f}{rate:>13.1f}{measuring.peak():>12.0f}"
        rows.append(f"{problem:<20}{flag:<8}{phase:<14}{figures}")
    return rows


def _taken(trainer, first, steps, batches):
    for figure in trainer.steps(first, steps, batches).values():
        figure.numpy()
