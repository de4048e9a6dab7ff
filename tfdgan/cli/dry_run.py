"""Everything that comes before training, and two real steps: what a run will take, before it is begun."""

import contextlib
import os
import resource
import time
from collections.abc import Iterable

import keras

from tfdgan import distributed
from tfdgan.cli import construction, preparation
from tfdgan.distributed import collectives
from tfdgan.errors import TrainingFault, UserError
from tfdgan.storage import claim
from tfdgan.strategies.player import Player
from tfdgan.tasks import names
from tfdgan.tasks.options import TaskOptions
from tfdgan.training import manifests
from tfdgan.training.batches import batches_of
from tfdgan.training.record import say_once
from tfdgan.training.trainer import Trainer


def dry_run(options: TaskOptions) -> None:
    """Check the options, the data and the exchange, take two steps of each phase, and say what a run will take.

    Every learner calls it. Nothing is written into the workdir; caches are, as in training.

    Raises:
      UserError: input that cannot be used, as `fit` does, or another job is at work in the workdir.
      TrainingFault: NaN or Inf in the first steps.
    """
    if options.join:
        raise UserError(f"--join={options.join}: a dry run joins no running job; leave one of them out")
    made = _missing(options.workdir)
    preparation.start(options, own_strategy=False)
    task = names.task_class(options.task)(options)
    preparation.agree(options, False, None)
    if preparation.is_first_of_host():
        with contextlib.suppress(OSError):  # another learner's, or somebody has put something there
            for folder in made:
                os.rmdir(folder)
    with collectives.together():
        claim.check(options.workdir)
    if done := manifests.committed(options.workdir):
        say_once(f"note: {options.workdir} has a run of {done[-1]:,} steps, with which training would go on")
    parts = construction.build(options, task)
    trainer = parts.trainer
    for remark in parts.remarks:
        say_once(f"note: {remark}")
    preparation.say_unused(options)
    shape = tuple(parts.source.sample_shape)
    say_once(f"samples: {len(parts.source):,} of shape {shape} for each learner, {options.batch_size} a batch")
    for player in trainer.players:
        say_once(f"{player.name}: {shapes(player.model)}, {player.model.count_params():,} parameters")
    trainer.reseed_for_learner(distributed.rank())
    trainer.reset()
    count = options.batch_size * trainer.batches_a_step
    batches = batches_of(parts.source, count, options.seed, task.labelled)(0)
    phases = {0: options.pretraining_steps} if options.pretraining_steps else {}
    for first in (*phases, options.pretraining_steps):
        steps = phases.get(first, options.steps - options.pretraining_steps)
        say_once(_timed(trainer, batches, first, steps, "pretraining" if first in phases else "training"))
    faults = collectives.gather(int(trainer.fault_step.numpy()), "dry_run.faults")
    if max(faults) >= 0:
        raise TrainingFault(f"NaN or Inf in a loss or gradient at step {max(faults)}")
    held = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, _megabytes(trainer.players)]
    memory, state = map(max, zip(*collectives.gather(held, "dry_run.memory"), strict=True))
    say_once(f"memory: at most {_number(memory)} MB a learner so far, {_number(state)} MB of it weights and slots")
    if sent := trainer.bytes_a_step(options.pretraining_steps):
        say_once(f"network: {_number(sent / 1e6)} MB a step from each learner")
    say_once("dry run: training can start; nothing was written into the workdir")


def shapes(model: keras.Model) -> str:
    """A model's inputs and outputs without the batch, such as "(64,) -> (8, 8, 1)"; where it does not tell, its class.

    Several inputs or outputs stand between "and".
    """
    try:
        sides = model.input_shape, model.output_shape
    except AttributeError:  # of a model that is no graph of layers
        return type(model).__name__
    return " -> ".join(" and ".join(str(tuple(shape[1:])) for shape in _several(side)) for side in sides)


def _several(side: object) -> Iterable[tuple[int | None, ...]]:
    """The shapes of one side, which is a shape, or a list or dict of shapes."""
    if isinstance(side, dict):
        return side.values()
    return side if isinstance(side, list) else [side]  # type: ignore[list-item]


def _timed(trainer: Trainer, batches: object, first: int, steps: int, phase: str) -> str:
    """Take two steps from step `first`; a line about how long they took, and a phase of `steps` steps will."""
    seconds = []
    for step in (first, first + 1):
        begun = time.perf_counter()
        figures = trainer.steps(step, 1, batches)
        for value in figures.values():
            value.numpy()  # waits for it
        seconds.append(time.perf_counter() - begun)
    traced, following = (max(times) for times in zip(*collectives.gather(seconds, "dry_run.seconds"), strict=True))
    pace = f"{_number(1e3 * following)} ms" if following < 1 else f"{_number(following)} s"
    all_steps = "1 step takes" if steps == 1 else f"{steps:,} steps take"
    return (
        f"{phase}: first step {_number(traced)} s (it is traced), then {pace} a step; {all_steps} some "
        f"{_duration(following * steps)}; scores, checkpoints and what is done at every k-th step only are not counted"
    )


def _number(value: float) -> str:
    """Three digits at least, and no exponent: 0.0123, 6.9, 1,234."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _missing(folder: str) -> list[str]:
    """The folder and those above it that are not there yet, the innermost first."""
    found = []
    while folder and not os.path.isdir(folder):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _duration(seconds: float) -> str:
    """In the largest unit of which there are at least two: "90 s", "12 minutes", "3.5 hours"."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _megabytes(players: Iterable[Player]) -> float:
    """Of the players' weights and their optimizers' slots."""
    variables = [v for player in players for v in (*player.model.variables, *player.optimizer.variables)]
    return sum(int(v.value.shape.num_elements() or 0) * v.value.dtype.size for v in variables) / 1e6
