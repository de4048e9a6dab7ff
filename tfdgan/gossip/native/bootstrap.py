"""Starting the native exchange: everybody listens, and Horovod or the rendezvous tells everybody where, once."""

import atexit
import dataclasses
import os
import socket
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tfdgan.distributed import collectives, job
from tfdgan.errors import UserError
from tfdgan.gossip.native import addresses, library, security, wire_key
from tfdgan.gossip.schedule import Schedule


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the native exchange of a process runs.

    Attributes:
      gossip_timeout: seconds without a sign after which a neighbour counts as late.
      on_peer_loss: "fail": a lost neighbour is an error; "degrade": its weight goes back to self.
      link_mbit: Mbit/s that this host's link sends; 0 leaves the rate to TCP. The rate is divided equally among the
        host's learners with neighbours on other hosts. Each sends to other hosts at no more than its part, which its
        busy connections share. TCP finds a rate by overflowing the queue before the link; acknowledgements wait in that
        queue and hold up the data of the other direction (Zhang, Shenker and Clark 1991).
      wire_security: one of `gossip.WIRE_SECURITIES`.
      wire_key_file: a file of mode 0600 that holds the key, the same on every host; "": learner 0 draws one, which
        travels over Horovod's own connections, or the rendezvous. They are not encrypted, and answer anybody.
      gossip_listen: ADDRESS:PORT or :PORT, as `addresses.to_listen_on` takes it; "": Horovod's interface, any port.
      gossip_advertise: HOST:PORT by which the others reach this learner; "": where it listens.
      gossip_memory: MiB that may have come from neighbours and wait to be mixed. A long fast link needs what is under
        way, rate times round trip, for each neighbour.
      gossip_shared_memory: "auto": learners of one host whose frames are not sealed exchange by shared memory, at most
        8 MiB for each way between two; "off": by TCP like others.
    """

    gossip_timeout: float = 60.0
    on_peer_loss: str = "fail"
    link_mbit: float = 0.0
    wire_security: str = "auto"
    wire_key_file: str = ""
    gossip_listen: str = ""
    gossip_advertise: str = ""
    gossip_memory: int = 256
    gossip_shared_memory: str = "auto"


_MOST_AT_ONCE = 64  # learners of a random schedule


@dataclasses.dataclass
class Job:
    """What a process knows of the job whose exchange it serves.

    Attributes:
      settings: those it was started with.
      learners: by rank, what each says of itself.
      key: of the exchange.
      salt: 32 bytes, of which the key was made together with the key file's; zeros where there was no file.
      first: the number of a channel's first mix since somebody came in the last time.
    """

    settings: Settings
    learners: list[dict[str, Any]]
    key: bytes
    salt: bytes
    first: int = 0


_job: Job | None = None


def start(settings: Settings | None = None, schedule: Schedule | None = None) -> None:
    """Start the exchange on every learner together; a second call with the same settings does nothing.

    Args:
      schedule: the `Schedule` that says who is a neighbour; without one, everybody may be.

    Raises:
      UserError: some learner cannot listen, or has another key; the same on every learner. Or the exchange runs
        already with other settings.
    """
    settings = settings or Settings()
    if _job is None:
        connect(announce(settings), settings, schedule)
    elif _job.settings != settings:
        then = _job.settings
        changed = [
            (field.name, getattr(settings, field.name), getattr(then, field.name))
            for field in dataclasses.fields(Settings)
            if getattr(settings, field.name) != getattr(then, field.name)
        ]
        raise UserError(
            f"{', '.join(f'--{name}={new}' for name, new, _ in changed)}: the native exchange of this process runs "
            f"already, with {', '.join(f'{name}={old}' for name, _, old in changed)}; give the same, or start anew"
        )


def is_started() -> bool:
    """True once `start` or `connect` has been called."""
    return _job is not None


def running() -> Job:
    """The job whose exchange this process serves, once it does."""
    if _job is None:
        raise RuntimeError("the native exchange has not been started")
    return _job


def start_if_needed() -> None:
    """Start with the default options unless it runs already."""
    if _job is None:
        start()


def announce(settings: Settings) -> list[dict[str, Any]]:
    """Listen; returns what each learner says of itself, on every learner."""
    try:
        mine = listen(settings)
    except (UserError, OSError) as error:  # the others wait to hear of it
        mine = {"problem": str(error)}
    everyone = collectives.gather_at_start(mine, "gossip.native.learners")
    for rank, learner in enumerate(everyone):
        if "problem" in learner:
            raise UserError(f"learner {rank}: {learner['problem']}")
        if learner["fingerprint"] != everyone[0]["fingerprint"]:
            raise UserError(f"--wire_key_file: learner {rank} has another key than learner 0; copy one to all hosts")
    return everyone


def listen(settings: Settings) -> dict[str, Any]:
    """Listen; returns what the others need to know of this learner."""
    secret = wire_key.of_file(settings.wire_key_file) if settings.wire_key_file else None
    asked = addresses.to_listen_on(settings.gossip_listen)
    library.can_seal()  # built by now: whatever fails next is the address
    library.functions()
    try:
        port, door = library.listen(*asked, settings.gossip_shared_memory == "auto")
    except UserError as error:
        if not settings.gossip_listen:
            raise
        raise UserError(f"--gossip_listen={settings.gossip_listen}: {error.as_flags()}") from error
    listening = asked._replace(port=port)
    return {
        "host": socket.gethostname(),
        "machine": addresses.machine(),
        "place": tuple(addresses.to_announce(listening, settings.gossip_advertise)),
        "door": door,
        "seals": library.can_seal(),
        "fingerprint": wire_key.fingerprint(secret) if secret else None,
        "process": os.urandom(8).hex(),  # tells it from others that have had, or will have, its place
        "run": os.urandom(32),  # learner 0's is taken
    }


def senders(hosts: Sequence[str], rank: int, schedule: Schedule | None = None) -> int:
    """How many learners of `rank`'s host have a neighbour on another host, at some step of a schedule.

    `hosts`: each learner's. Under a random schedule, or without one, everybody may be anybody's neighbour.
    """
    here = [learner for learner, host in enumerate(hosts) if host == hosts[rank]]
    if schedule is None or schedule.random:
        return len(here)
    elsewhere = [learner for learner, host in enumerate(hosts) if host != hosts[rank]]
    return sum(any((W[elsewhere, learner] != 0).any() for W in schedule.matrices) for learner in here)


def connect(everyone: Sequence[dict[str, Any]], settings: Settings, schedule: Schedule | None = None) -> None:
    """Serve, with neighbours as `announce` returned them."""
    rank, run = job.rank(), everyone[0]["run"]
    machines, seals = ([learner[name] for learner in everyone] for name in ("machine", "seals"))
    if rank == 0 and len(set(machines)) > 1 and not settings.wire_key_file and settings.wire_security != "none":
        warnings.warn(
            "the key that seals the exchange travels over the rendezvous, which answers anybody who reaches it; "
            "on a network that you do not trust give --wire_key_file",
            stacklevel=2,
        )
    text = security.remark(settings.wire_security, seals, machines)
    if text and rank == 0:
        warnings.warn(text, stacklevel=2)
    key = wire_key.of_run(wire_key.of_file(settings.wire_key_file), run) if settings.wire_key_file else run
    salt = run if settings.wire_key_file else bytes(len(run))
    _serve(Job(settings, [told(learner) for learner in everyone], key, salt), schedule)
    # Connections stand before the first mix: over a long way a handshake takes three round trips.
    for other in _neighbours(rank, len(everyone), schedule):
        library.pulse(other)


def told(learner: dict[str, Any]) -> dict[str, Any]:
    """What others may know of a learner for longer than the start takes."""
    return {name: value for name, value in learner.items() if name not in ("run", "fingerprint")}


def join(learners: Sequence[dict[str, Any]], key: bytes, salt: bytes, settings: Settings, schedule: Schedule) -> None:
    """Serve in a running job: all others are absent until `readmit` has taken them in, and mixes go on without them."""
    _serve(Job(settings, list(learners), key, salt), schedule, joins=True)


def readmit(learners: Mapping[int, dict[str, Any]], first: int) -> None:
    """Take in learners that are there again, all together; the arguments are as `library.readmit` takes them.

    Args:
      learners: {rank: what the learner says of itself}.
    """
    found = running()
    found.first = first
    for rank, learner in learners.items():
        found.learners[rank] = learner
    for rank in learners:
        library.readmit(rank, _as_seen(found.learners, rank, job.rank(), found.settings), first)
    library.serve()


def _serve(found: Job, schedule: Schedule | None, joins: bool = False) -> None:
    """Start the transport."""
    global _job
    rank, settings = job.rank(), found.settings
    machines = [learner["machine"] for learner in found.learners]
    if joins:  # the others' addresses, which may be out of use, are looked up when they are taken in
        absent = library.Learner("", "0.0.0.0", 0, False, security.NONE, is_absent=True)
        learners = [absent] * len(machines)
        learners[rank] = _as_seen(found.learners, rank, rank, settings)
    else:
        learners = [_as_seen(found.learners, other, rank, settings) for other in range(len(machines))]
    rate = 1e6 / 8 * settings.link_mbit / max(1, senders(machines, rank, schedule))
    degrade, memory = settings.on_peer_loss == "degrade", settings.gossip_memory << 20
    library.start(rank, learners, found.key, settings.gossip_timeout, degrade, rate, memory)
    _job = found
    atexit.register(library.stop)


def _neighbours(rank: int, size: int, schedule: Schedule | None) -> list[int]:
    """Whom a learner mixes with at some step; nobody where that is not known, or too many to connect to at once."""
    if schedule is None or (schedule.random and size > _MOST_AT_ONCE):
        return []
    if schedule.random:
        return [other for other in range(size) if other != rank]
    edges = sum(abs(W[rank]) + abs(W[:, rank]) for W in schedule.matrices)
    return [other for other in range(size) if other != rank and edges[other] != 0]


def _as_seen(everyone: Sequence[dict[str, Any]], other: int, rank: int, settings: Settings) -> library.Learner:
    """Learner `other` as learner `rank` sees it."""
    learner, mine = everyone[other], everyone[rank]
    is_here = learner["machine"] == mine["machine"]
    seal = security.between(settings.wire_security, is_here, mine["seals"] and learner["seals"])
    shares = is_here and seal == security.NONE and mine["door"]
    return library.Learner(
        host=_label(everyone, other),
        ip=addresses.resolved(addresses.Endpoint(*learner["place"]), other),
        port=learner["place"][1],
        is_here=is_here,
        security=seal,
        door=learner["door"] if shares else "",
    )


def _label(everyone: Sequence[dict[str, Any]], rank: int) -> str:
    """The name of a learner's host for people; with the address where another machine has the same name."""
    host, machine = everyone[rank]["host"], everyone[rank]["machine"]
    alike = {other["machine"] for other in everyone if other["host"] == host}
    return host if alike == {machine} else f"{host} ({everyone[rank]['place'][0]})"
