"""What learners agree on before the first step: flags, matrices, a workdir, who carries the exchange."""

import dataclasses
import os

import tensorflow as tf

from tfdgan import distributed
from tfdgan.cli import flagfiles, joining
from tfdgan.distributed import collectives, job, launch
from tfdgan.distributed.horovod import is_internal_error
from tfdgan.distributed.rendezvous import Rendezvous
from tfdgan.distributed.visit import Visit
from tfdgan.errors import SharedError, UserError
from tfdgan.gossip import backends, topology
from tfdgan.gossip.native import addresses, build, wire_key
from tfdgan.gossip.native.assembly import Assembly
from tfdgan.gossip.native.bootstrap import Settings
from tfdgan.storage import files
from tfdgan.storage.claim import Claim
from tfdgan.tasks.options import TaskOptions
from tfdgan.training.monitor import say
from tfdgan.training.record import say_once


def is_first_of_host() -> bool:
    """True for one learner of each host, which makes what all learners of the host read."""
    return job.local_rank() == 0


def say_unused(options: TaskOptions) -> None:
    """A note for each option that was given and does nothing."""
    for name, beside in options.without_effect().items():
        say_once(f"note: --{name} has no effect with {beside}")


def start(options: TaskOptions, own_strategy: bool) -> Visit | None:
    """Start Horovod where this run needs it: not alone, and not where an earlier run's exchange goes on.

    Returns a visit to the running job that this process joins; None if it begins with the others.
    """
    if collectives.lost():
        lost = ", ".join(map(str, collectives.lost()))
        raise UserError(f"learner(s) {lost} were lost in an earlier run of this process; start the job anew")
    if options.join:
        if own_strategy:
            raise UserError("--join: a strategy passed in from Python may keep what others cannot know; leave it out")
        return joining.ask(options)
    in_steps = own_strategy or _horovod_in_steps(options)
    if collectives.carrier():  # or some would wait for Horovod, and the others for them
        _check_same(options)
        if not in_steps:
            return None
    if in_steps and (options.rendezvous or job.met_at()):
        raise UserError("--rendezvous: this run may need Horovod in its steps; start it by horovodrun")
    if options.rendezvous:
        _meet(options)
    else:
        job.start(options.gossip_backend == "horovod_pairs", in_steps, horovod=own_strategy)
    return None


def _meet(options: TaskOptions) -> None:
    """Meet the other learners at learner 0's address, without Horovod."""
    rank, size = options.place(*launch.place())
    launch.give(rank, size)
    key = wire_key.of_file(options.wire_key_file) if options.wire_key_file else b""
    meeting = Rendezvous(*addresses.endpoint("rendezvous", options.rendezvous), rank, size, key, say)
    collectives.meet_by(meeting)
    machines = meeting.gather(addresses.machine())
    here = [learner for learner, machine in enumerate(machines) if machine == machines[rank]]
    job.take_place(job.Place(rank, size, here.index(rank), len(here)), meeting.address)


def _horovod_in_steps(options: TaskOptions) -> bool:
    """True if a training step will use Horovod's collectives, as far as this learner can tell by itself."""
    if options.leaves_horovod:
        return options.gossip_backend not in ("auto", "native") or not build.is_possible()
    return True


def agree(options: TaskOptions, own_strategy: bool, visit: Visit | None) -> Assembly | None:
    """Check that all learners can train together by these options, set up the exchange, and make the workdir.

    Where the native exchange runs, it carries ticks, checkpoints and scores too, and Horovod ends unless steps use it.
    Returns what carries them, or None. A learner that joins has nothing of the kind before it is let in.
    """
    _check_same(options)
    with collectives.together():
        options.check_files()
        options.check_learners(distributed.size())
        if options.gossip_backend == "horovod_pairs" and distributed.size() > 1 and not job.allows_process_sets():
            raise UserError("--gossip_backend=horovod_pairs: call tfdgan.start(process_sets=True) first")
    _check_same_matrix(options)
    if visit:
        joining.listen(options, visit, _settings(options), options.schedule(distributed.size(), options.seed))
        assembly = None
    elif assembly := _start_gossip(options):
        collectives.gather_by(assembly)
        if not own_strategy:
            collectives.leave_meeting()
    with collectives.together():
        _prepare_workdir(options)
    return assembly


def token(visit: Visit | None) -> str:
    """What the processes of this job, and no others, have in common."""
    return visit.told["facts"]["token"] if visit else collectives.gather(os.urandom(16).hex(), "claim")[0]


def claim(options: TaskOptions, token: str) -> Claim:
    """Have the workdir of each host for this job alone; returns this learner's claim, to be released."""
    mine = Claim(options.workdir, token)
    try:
        for first in (True, False):  # learner 0 before the others, whose workdir may be learner 0's
            with collectives.together():
                if is_first_of_host() and (distributed.rank() == 0) == first:
                    mine.take()
    except BaseException:  # of another host's
        mine.release()
        raise
    return mine


def _start_gossip(options: TaskOptions) -> Assembly | None:
    """Set up what carries the mixes; returns the `Assembly` that the native exchange offers, or None."""
    if not options.leaves_horovod or distributed.size() == 1:
        return None
    backend = "native" if options.needs_native or options.rendezvous else options.gossip_backend
    if not options.gossips and (backend not in ("auto", "native") or not backends.native_loads()):
        return None  # nothing is mixed; Horovod carries the rest
    schedule = options.schedule(distributed.size(), options.seed) if options.gossips else None
    exchange = backends.start(backend, _settings(options), schedule)
    if exchange.name != "native":
        return None
    former = collectives.carrier()  # a second run of this process goes on with the learners of the first
    return (
        former if isinstance(former, Assembly) else Assembly(options.gossip_timeout, options.on_peer_loss == "degrade")
    )


def _settings(options: TaskOptions) -> Settings:
    return Settings(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)})


def _check_same(options: TaskOptions) -> None:
    """Raise an error on every learner unless all were given the same flags."""
    try:
        first, *others = collectives.gather(flagfiles.values(options, ignore="local"), "config")
    except Exception as error:
        if not (isinstance(error, tf.errors.OpError) or is_internal_error(error)):
            raise
        raise UserError(
            f"Horovod ended while learners compared their flags, as it does if only some have "
            f"--gossip_backend={options.gossip_backend}; start all learners with the same"
        ) from error
    for learner, other in enumerate(others, start=1):
        different = flagfiles.changes(first, other)
        if different:
            raise SharedError(
                f"learner {learner} was given other flags than learner 0: {'; '.join(different)}; "
                "start all learners with the same"
            )


def check_same_data(dataset: str, digest: str) -> None:
    """Raise an error on every learner unless the numbers in samples mean the same for all, such as the same words.

    Args:
      dataset: what --dataset is.
      digest: `Task.digest` of this learner.
    """
    first, *others = collectives.gather(digest, "data")
    for learner, other in enumerate(others, start=1):
        if other != first:
            raise SharedError(
                f"--dataset={dataset}: learner {learner} reads other data than learner 0, or names classes otherwise; "
                "copy one to all hosts"
            )


def check_same_order(dataset: str, whole: str) -> None:
    """Raise an error on every learner unless all divide the same samples in the same order.

    Args:
      dataset: what --dataset is.
      whole: `Source.whole` of this learner.
    """
    first, *others = collectives.gather(whole, "data.order")
    for learner, other in enumerate(others, start=1):
        if other != first:
            raise SharedError(
                f"--dataset={dataset}: learner {learner} has other samples than learner 0, or the same in another "
                "order, so some would be trained on twice and others never; leave out shuffling without a fixed seed"
            )


def _check_same_matrix(options: TaskOptions) -> None:
    """Raise an error on every learner if hosts read different mixing matrices: no mean would be kept."""
    if options.gossips and options.topology not in topology.NAMES:
        matrix = options.schedule(distributed.size(), options.seed).matrix(0)
        first, *others = collectives.gather(matrix.tobytes(), "matrix")
        for learner, other in enumerate(others, start=1):
            if other != first:
                raise SharedError(
                    f"--topology={options.topology}: learner {learner} reads another matrix than learner 0; "
                    "copy one file to all hosts"
                )


def _prepare_workdir(options: TaskOptions) -> None:
    """Raise `UserError` unless the workdir is new or of the same options, and can be written."""
    workdir = options.workdir
    if not workdir:
        raise UserError("--workdir is missing: give a folder for checkpoints and logs")
    stored = os.path.join(workdir, flagfiles.FLAGFILE)
    if os.path.isfile(stored):
        then = flagfiles.load(workdir)
        different = flagfiles.differences(options, then, ignore="free")
        why = options.depends_on_last_step()
        if why and then.steps != options.steps:
            different.append(f"steps: {then.steps} -> {options.steps} ({why} depends on it)")
        if different:
            raise UserError(
                f"--workdir={workdir}: was trained with other flags; {'; '.join(different)}; "
                f"--flagfile={stored} in place of these flags goes on with the run, or use another folder"
            )
    mine = os.path.join(workdir, f".writable.{distributed.rank()}")
    try:
        os.makedirs(workdir, exist_ok=True)
        with files.replacing(mine):
            pass
        os.remove(mine)
    except OSError as error:
        raise UserError(f"--workdir={workdir}: cannot be written ({error.strerror})") from error
