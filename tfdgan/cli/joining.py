"""How a process asks for a place in a running job, before it builds anything."""

from collections.abc import Callable, Iterable
from typing import Any

from tfdgan import __version__
from tfdgan.cli import flagfiles
from tfdgan.distributed import collectives, job, launch, roster
from tfdgan.distributed.visit import Visit
from tfdgan.errors import JobOver, UserError
from tfdgan.gossip.native import addresses, bootstrap, library, wire_key
from tfdgan.gossip.native.bootstrap import Settings
from tfdgan.gossip.native.sealer import Sealer
from tfdgan.gossip.schedule import Schedule
from tfdgan.tasks.options import TaskOptions
from tfdgan.training.monitor import say


def ask(options: TaskOptions) -> Visit:
    """Ask for a place, and be that learner from now on; until it is let in, all collectives are with itself.

    Raises:
      UserError: the job does not want this process, or was given other flags; or nobody answers.
      JobOver: there is no job any more.
    """
    said = {"rank": _place(options), "seals": library.can_seal(), "machine": addresses.machine()}
    find, key = _lobbies(options), _key(options)  # in this order: where the job is over, its key is gone
    visit = Visit(find, lambda salt: wire_key.of_lobbies(key(salt)), said, Sealer, say)
    told = visit.told
    if (theirs := told["facts"].get("version", "0.1")) != __version__:
        raise UserError(
            f"--join={options.join}: the job runs tfdgan {theirs}, this is {__version__}; install the job's"
        )
    if different := flagfiles.changes(told["facts"]["values"], flagfiles.values(options, ignore="local")):
        words = f"the job has other flags (the job's -> given here): {'; '.join(different)}"
        raise UserError(f"--join={options.join}: {words}; give the same")
    rank, size, ranks = told["rank"], told["size"], sorted({*told["ranks"], told["rank"]})
    machines = [learner["machine"] for learner in told["learners"]]
    machines[rank] = said["machine"]
    here = [learner for learner, machine in enumerate(machines) if machine == machines[rank]]
    launch.give(rank, size)
    launch.take_floor()  # until it is in, nobody else knows of its errors
    job.take_place(job.Place(rank, size, here.index(rank), len(here)), visit.address)
    collectives.gather_by(collectives.Apart(ranks, {r: "is not there" for r in range(size) if r not in ranks}))
    collectives.meet_by(collectives.Apart(range(size)))
    say(f"learner {rank} joins the job at step {told['step']}; {len(told['ranks'])} are there")
    return visit


def listen(options: TaskOptions, visit: Visit, settings: Settings, schedule: Schedule) -> None:
    """Start the exchange of a process that joins."""
    learners = list(visit.told["learners"])
    learners[job.rank()] = bootstrap.told(bootstrap.listen(settings))
    bootstrap.join(learners, _key(options)(visit.salt), visit.salt, settings, schedule)


def _place(options: TaskOptions) -> int:
    """The place to ask for; -1: any that is free."""
    if options.learner >= 0:
        return options.learner
    rank, _ = launch.place()
    return -1 if rank is None else rank


def _names_a_lobby(options: TaskOptions) -> bool:
    """True for HOST:PORT, False for a roster's path."""
    return ":" in options.join and "/" not in options.join


def _lobbies(options: TaskOptions) -> Callable[[], Iterable[tuple[str, int]]]:
    """A function that finds the lobbies of those who may be there."""
    if _names_a_lobby(options):
        where = addresses.endpoint("join", options.join)
        return lambda: [where]

    def find() -> Iterable[tuple[str, int]]:
        found = roster.read(options.join)
        if found.over is not None:
            raise JobOver(found.over)
        return found.lobbies.values()

    find()
    return find


def _key(options: TaskOptions) -> Callable[[bytes], bytes]:
    """A function that makes the run's key from a lobby's salt."""
    if not _names_a_lobby(options):
        key = wire_key.of_file(roster.key_file(options.join), "--join: key")
        return lambda _: key
    if not options.wire_key_file:
        raise UserError(
            f"--join={options.join}: give --wire_key_file, the one that the job has, or else a copy of its workdir's "
            "roster.key"
        )
    secret = wire_key.of_file(options.wire_key_file)
    return lambda salt: wire_key.of_run(secret, salt) if any(salt) else secret


def check_data(visit: Visit, dataset: str, digest: Any, whole: str) -> None:
    """Raise `UserError` unless samples mean the same here as for the job, and are divided in the same order.

    Args:
      visit: of this process.
      dataset: what --dataset is.
      digest, whole: `Task.digest` and `Source.whole` of this process.
    """
    if digest != visit.told["facts"]["digest"]:
        raise UserError(
            f"--dataset={dataset}: this process reads other data than the job, or names classes otherwise; "
            "copy one to all hosts"
        )
    if whole != visit.told["facts"]["whole"]:
        raise UserError(
            f"--dataset={dataset}: this process has other samples than the job, or the same in another order, so some "
            "would be trained on twice and others never; copy the job's, and leave out shuffling without a fixed seed"
        )
