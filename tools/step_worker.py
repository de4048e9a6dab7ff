"""Blocks of a trainer's steps, timed: in this process, or in one that takes turns with another.

    PYTHONPATH=CHECKOUT python tools/step_worker.py '{"dataset": "gaussians", "model": "mlp", "strategy": "local"}'

The command trains by these options, with the package of CHECKOUT. It says {"package": its folder}, then answers each
line of JSON on standard input by a line on standard output: {"steps": 10} by {"ms": milliseconds a step of a block of
so many, "peak": MiB}; {"save": "PATH"} by {} when the generator's weights are in that .npz file. It ends with its
input. `bench_step.py --against` starts one for each of two checkouts.

CHECKOUT may be an earlier revision, to see what a change of the package has done to a step. Up to revision 63786b1
trainers were made and called in another way, which `_earlier` knows; all the rest is the same for both.
"""

import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np

_SAMPLES, _CLASSES, _SIDE = 256, 10, 32  # of noise that stands for images


class Steps:
    """A trainer and its batches.

    Args:
      options: {name: value} of the task image, whose dataset "given" is uniform noise, or of text, whose steps are
        those of the game.

    Attributes:
      trainer: at the start.
      batches: tf.data.Dataset, a step's samples each.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        samples = _noise(options) if options["dataset"] == "given" else None
        make = _present if importlib.util.find_spec("tfdgan.cli") else _earlier
        make = _of_text if options.get("task") == "text" else make
        asked, source, self.trainer, self._steps = make(options, samples)
        self.trainer.reset()
        count, labelled = asked.batch_size * asked.critic_steps, getattr(asked, "conditional", False)
        self.batches = source.stream(count, asked.seed, 0, labelled=labelled).prefetch(2)
        self._iterator, self._at_once = iter(self.batches), asked.steps_per_loop
        self._done = getattr(asked, "pretraining_steps", 0)  # where the game begins

    def block(self, length: int) -> float:
        """Milliseconds a step of the next `length` steps."""
        import tensorflow as tf

        begun, end = time.perf_counter(), self._done + length
        while self._done < end:
            count = min(self._at_once, end - self._done)
            figures = self._steps(self._done, count, self._iterator)
            self._done += count
        tf.nest.map_structure(lambda figure: figure.numpy(), figures)
        return 1e3 * (time.perf_counter() - begun) / length


def _noise(options: dict[str, Any]) -> Any:
    """Images, or (images, labels) for conditional nets."""
    random, side = np.random.default_rng(0), options.get("image_size") or _SIDE
    images = random.uniform(-1, 1, (_SAMPLES, side, side, 3)).astype(np.float32)
    return (images, np.arange(_SAMPLES) % _CLASSES) if options.get("conditional") else images


Made = tuple[Any, Any, Any, Callable]  # (options, source, trainer, function (first, count, batches) -> figures)


def _present(options: dict[str, Any], samples: Any) -> Made:
    """As this revision does it."""
    from tfdgan.cli.config import Config
    from tfdgan.cli.objects import make_trainer
    from tfdgan.tasks import ImageTask

    asked = Config(**options)
    task = ImageTask(asked, samples=samples)
    source = task.source()
    trainer = make_trainer(asked, task, *task.build_models(source.sample_shape, source.classes))
    return asked, source, trainer, trainer.steps


def _of_text(options: dict[str, Any], samples: Any) -> Made:
    """The game of sentences, as this revision does it."""
    from tfdgan.cli.config import config_class
    from tfdgan.cli.objects import make_trainer
    from tfdgan.tasks import TextTask

    del samples
    with tempfile.TemporaryDirectory() as workdir:  # which keeps the oracle
        asked = config_class("text")(**{**options, "workdir": workdir})
        task = TextTask(asked)
        source = task.source()
    trainer = make_trainer(asked, task, *task.build_models(source.sample_shape))
    return asked, source, trainer, trainer.steps


def _earlier(options: dict[str, Any], samples: Any) -> Made:
    """As revision 63786b1 did it."""
    import tensorflow as tf
    from tfdgan.config import Config

    from tfdgan import tasks
    from tfdgan.training import trainers
    from tfdgan.training.noise import Noise

    asked = Config(**options)
    task = tasks.ImageTask(asked, samples=samples)
    source = task.source()
    models = task.build_models(source.sample_shape, source.classes)
    trainer = trainers.make(asked, *models, Noise(asked.seed, 0), 1)

    def steps(first: int, count: int, batches: Any) -> Any:
        return trainer.steps(tf.constant(first, tf.int64), tf.constant(count, tf.int64), batches)

    return asked, source, trainer, steps


def _answer(steps: Steps, request: dict[str, Any]) -> dict[str, Any]:
    if "save" in request:
        np.savez(request["save"], *steps.trainer.generator.get_weights())
        return {}
    return {"ms": steps.block(request["steps"]), "peak": measuring.peak()}


def main(options: dict[str, Any]) -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    import tfdgan
    from tfdgan import distributed

    distributed.start(in_steps=False)
    steps = Steps(options)
    print(json.dumps({"package": os.path.dirname(tfdgan.__file__)}), file=answers)
    for line in sys.stdin:
        print(json.dumps(_answer(steps, json.loads(line))), file=answers)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
