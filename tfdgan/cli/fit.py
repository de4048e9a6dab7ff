"""`fit`: from options and a task to a trained consensus generator, resumable at every checkpoint."""

import dataclasses
import os
from typing import Any, NamedTuple

import tensorflow as tf

from tfdgan import __version__
from tfdgan.cli import construction, flagfiles, own_pieces, preparation
from tfdgan.cli.objects import MakeStrategy
from tfdgan.distributed import collectives
from tfdgan.distributed.horovod import is_internal_error
from tfdgan.distributed.visit import Visit
from tfdgan.errors import LocalFault, SharedError, TrainingFault
from tfdgan.gossip.native.assembly import Assembly
from tfdgan.objectives import Objective
from tfdgan.storage import files
from tfdgan.storage.claim import Claim
from tfdgan.tasks import names
from tfdgan.tasks.base import Sampler, Task
from tfdgan.tasks.options import TaskOptions
from tfdgan.training.admission import Admission
from tfdgan.training.consensus import Kind
from tfdgan.training.failed_step import explained
from tfdgan.training.loop import Run
from tfdgan.training.options import RunOptions
from tfdgan.training.record import say_once


def consensus_kind(options: TaskOptions) -> Kind:
    """What stands for a job of these options where samples are made."""
    return Kind(shared=options.strategy != "local", averaged=options.ema_decay > 0)


def fit(
    options: TaskOptions,
    task: Task | None = None,
    *,
    objective: Objective | None = None,
    strategy: MakeStrategy | None = None,
) -> Sampler:
    """Train to `options.steps` steps, going on from the workdir's newest checkpoint.

    Every learner calls it. A step mixes or reduces as the strategy says and exchanges nothing else; ticks, scores and
    checkpoints involve all learners.

    Args:
      options: of the run, such as `tasks.ImageOptions` or the commands' `cli.config.Config`.
      task: what is generated; by default the task that `options.task` names.
      objective: your own payoff, instead of the one that the options name.
      strategy: function from the players to your own strategy, instead of the one that the options name; the options of
        strategies then stay at their defaults. Pretraining, if there is some, mixes as the default says.

    Returns:
      The sampler of the consensus, on every learner: after the last step, or after the step at which training stopped
      because somebody asked for it (a signal such as SIGTERM). The workdir's newest checkpoint tells which.

    Raises:
      UserError: input that cannot be used, before the first step; the same on every learner.
      TrainingFault: NaN or Inf in a loss or a gradient.
      LocalFault: another learner is lost.
      JobOver: of a learner that joins: there is no job any more.
    """
    own_pieces.check(options, task, objective, strategy)
    visit = preparation.start(options, own_strategy=strategy is not None)
    task = task or names.task_class(options.task)(options)
    assembly = preparation.agree(options, strategy is not None, visit)
    token = preparation.token(visit)
    claim = preparation.claim(options, token)
    try:
        return _train(options, task, objective, strategy, _Entry(visit, assembly, token, claim))
    finally:
        claim.release()


class _Entry(NamedTuple):
    """How a learner has come to the job: by a visit, or from the start, with what carries agreements."""

    visit: Visit | None
    assembly: Assembly | None
    token: str
    claim: Claim


def _train(
    options: TaskOptions, task: Task, objective: Objective | None, strategy: MakeStrategy | None, entry: _Entry
) -> Sampler:
    """`fit` once the learners have agreed, and have the workdir."""
    visit = entry.visit
    with collectives.together():
        if preparation.is_first_of_host():
            own_pieces.check_workdir(options.workdir, objective, strategy)
    source, samples, trainer, remarks = construction.build(options, task, objective, strategy, visit)
    data = f"--dataset={options.dataset}"
    kind, parts = consensus_kind(options), options.part(RunOptions)
    admission = None
    if (visit or (entry.assembly and entry.assembly.degrades)) and options.can_set_back and strategy is None:
        values = flagfiles.values(options, ignore="local")
        facts = {
            "version": __version__, "values": values, "token": entry.token,
            "digest": task.digest, "whole": source.whole, "samples": samples,
        }  # fmt: skip
        with collectives.together():
            admission = Admission(entry.assembly, options.workdir, facts)
    phase, resets = options.pretraining_steps, options.can_set_back
    run = Run(parts, task, trainer, kind, data, samples, phase, resets, admission, visit)
    for remark in remarks:
        say_once(f"note: {remark}")
    try:
        start = run.start()
        _open(run, options, start, entry.claim)
        return run.steps(source, start)
    except (TrainingFault, SharedError) as error:
        run.abandon(str(error))
        raise
    except LocalFault as error:
        raise LocalFault(f"{error}; last good checkpoint: {run.last_good()}") from error
    except Exception as error:
        if isinstance(error, tf.errors.OpError) or is_internal_error(error):
            raise explained(error, run.last_good()) from error
        raise
    finally:
        if admission:
            admission.leave()


def _open(run: Run, options: TaskOptions, start: int, claim: Claim) -> None:
    """Keep the flags in each host's workdir, where resuming and the other commands read them; open the logs."""
    flags = flagfiles.write(options)
    with collectives.together():
        if preparation.is_first_of_host():
            files.write_text(os.path.join(options.workdir, flagfiles.FLAGFILE), flags)
    values: dict[str, Any] = {name: value for name, value in dataclasses.asdict(options).items() if name != "workdir"}
    run.open_logs(start, values, flags, claim)
    preparation.say_unused(options)
