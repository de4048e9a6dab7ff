"""A learner of --strategy=centralized under Horovod's elastic mode, which tools/experiments/elastic.py starts.

    horovodrun -np 8 --min-np 1 --host-discovery-script HOSTS --blacklist-cooldown-range 1 5 \\
        python tools/experiments/elastic_learner.py --workdir=... --flagfile=configs/gaussians.flags ...

The flags are train's; it takes those of nets, data, optimizers, --steps, --log_every, --seed and --ema_decay. Every
--log_every steps it commits its whole state to memory, as Horovod's documentation asks, and the first learner adds a
line {time, step, learners} to ticks.jsonl. When learners have gone or come, Horovod starts itself anew, the state of
the last commit is broadcast, and the steps are traced again, for so many learners. The scores of the end are written
to scores.jsonl. There are no checkpoints.
"""

import json
import os
import sys
import time

import horovod.tensorflow as hvd
import tensorflow as tf
from horovod.common.elastic import ObjectState

from tfdgan.cli import command, flagfiles
from tfdgan.cli.config import Config
from tfdgan.cli.objects import make_trainer
from tfdgan.tasks import ImageTask
from tfdgan.training import checkpoints, consensus, scoring


class Learner:
    """The trainer of one number of learners."""

    def __init__(self, options):
        self.options, self.task = options, ImageTask(options)
        rank, size = hvd.rank(), hvd.size()
        source = self.task.source(rank, size)
        nets = self.task.build_models(source.sample_shape, source.classes)
        self.trainer = make_trainer(options, self.task, *nets, learner=rank, size=size)
        self.trainer.reset()
        self._source, self._batches = source, None

    def take(self, arrays):
        checkpoints.restore(self.trainer.state, arrays, "the last commit")

    def arrays(self):
        return checkpoints.arrays(self.trainer.state)

    def steps(self, first, count):
        if self._batches is None:
            wanted = self.options.batch_size * self.trainer.batches_a_step
            self._batches = iter(self._source.stream(wanted, self.options.seed, first).prefetch(2))
        figures = self.trainer.steps(first, count, self._batches)
        tf.nest.map_structure(lambda figure: figure.numpy(), figures)

    def scores(self):
        """Of this learner's running average, which is everybody's."""
        averaged = self.options.ema_decay > 0
        weights = consensus.generator_weights(self.trainer.generator, self.arrays(), averaged)
        sampler = self.task.sampler(self.trainer.generator, weights, "EMA" if averaged else "weights")
        number = self.task.number(None)
        sums = self.task.measure(sampler, number, 0, (0, 1), real=True, thorough=False, progress=scoring.no_progress)
        return self.task.scores(sums, sampler, number, 0)


def _add(path, **values):
    with open(path, "a") as file:
        file.write(json.dumps(values) + "\n")


def main(options):
    hvd.init()

    @hvd.elastic.run
    def train(state):
        learner = Learner(options)
        if state.arrays:
            learner.take(state.arrays)
        while state.step < options.steps:
            count = min(options.log_every, options.steps - state.step)
            learner.steps(state.step, count)
            state.step += count
            state.arrays = learner.arrays()
            if hvd.rank() == 0:
                _add(f"{options.workdir}/ticks.jsonl", time=time.time(), step=state.step, learners=hvd.size())
            state.commit()  # learns of those that have come, too
        if hvd.rank() == 0:
            for score in learner.scores():
                _add(f"{options.workdir}/scores.jsonl", name=score.name, value=float(score.value))

    train(ObjectState(hvd.broadcast_object, hvd.rank, step=0, arrays={}))


if __name__ == "__main__":
    os.environ.setdefault("HOROVOD_DISABLE_GROUP_FUSION", "1")  # as tfdgan.start has it
    main(flagfiles.asked(command.parse_options(sys.argv, Config), Config))
