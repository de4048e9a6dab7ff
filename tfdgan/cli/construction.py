"""What a run is made of: the task's data and nets, read and built by all learners together, and the trainer of them."""

import hashlib
import json
from typing import NamedTuple

from tfdgan import distributed
from tfdgan.cli import joining, preparation
from tfdgan.cli.objects import MakeStrategy, make_trainer
from tfdgan.data import Source
from tfdgan.distributed import collectives
from tfdgan.distributed.visit import Visit
from tfdgan.objectives import Objective
from tfdgan.tasks.base import Task
from tfdgan.tasks.options import TaskOptions
from tfdgan.training.record import say_once
from tfdgan.training.trainer import Trainer


class Parts(NamedTuple):
    """What a learner trains on and with.

    Attributes:
      source: the learner's samples.
      samples: as `resumption.resume` takes it.
      trainer: of the nets.
      remarks: what the person should know.
    """

    source: Source
    samples: str
    trainer: Trainer
    remarks: list[str]


def build(
    options: TaskOptions,
    task: Task,
    objective: Objective | None = None,
    strategy: MakeStrategy | None = None,
    visit: Visit | None = None,
) -> Parts:
    """Read the data, check them, and build nets and trainer; all learners call it together.

    Args:
      options, task, objective, strategy: as `fit` takes them.
      visit: of a learner that joins a running job.

    Raises:
      UserError: data or nets that cannot be used; the same on every learner.
    """
    with collectives.together():
        remarks = task.prepare() if preparation.is_first_of_host() else []
    with collectives.together():
        source = task.source(distributed.rank(), distributed.size())
        task.check(source)
    if source.summary:
        each = f"; {len(source):,} for each learner" if distributed.size() > 1 else ""
        say_once(f"data: {source.summary}{each}")
    if visit:
        joining.check_data(visit, options.dataset, task.digest, source.whole)
        samples = visit.told["facts"]["samples"]
    else:
        preparation.check_same_data(options.dataset, task.digest)
        preparation.check_same_order(options.dataset, source.whole)
        samples = _digest(source)
    with collectives.together():
        generator, critic = task.build_models(source.sample_shape, source.classes)
        learner, size = distributed.rank(), distributed.size()
        trainer = make_trainer(
            options, task, generator, critic, learner=learner, size=size, objective=objective, strategy=strategy
        )
    return Parts(source, samples, trainer, remarks)


def _digest(source: Source) -> str:
    """How many learners there are, a blank, and a hash of what their samples were read from."""
    origin = None
    with collectives.together():
        origin = source.origin
    origins = collectives.gather(origin, "data.origins")
    return f"{len(origins)} {hashlib.blake2b(json.dumps(origins).encode(), digest_size=8).hexdigest()}"
