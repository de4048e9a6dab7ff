"""Which backend carries a mix: what the user names or gives, or the best that works on every learner."""

import functools
import warnings

from tfdgan.distributed import collectives, job
from tfdgan.errors import UserError
from tfdgan.gossip import BACKENDS
from tfdgan.gossip.base import Exchange
from tfdgan.gossip.horovod_alltoall import HorovodAlltoall
from tfdgan.gossip.horovod_pairs import HorovodPairs
from tfdgan.gossip.native import bootstrap, library
from tfdgan.gossip.native.exchange import NativeExchange
from tfdgan.gossip.schedule import Schedule

_EXCHANGES: dict[str, Exchange] = {
    exchange.name: exchange for exchange in (NativeExchange(), HorovodAlltoall(), HorovodPairs())
}


def start(backend: str | Exchange, settings: bootstrap.Settings, schedule: Schedule | None) -> Exchange:
    """Set up the backend before the first mix, on all learners together; returns it.

    Args:
      backend: as `resolve` takes it.
      settings, schedule: as `bootstrap.start` takes them; only the native backend uses them.
    """
    exchange = resolve(backend)
    if isinstance(exchange, NativeExchange):
        bootstrap.start(settings, schedule)
    elif settings.on_peer_loss == "degrade":
        raise UserError("--on_peer_loss=degrade: needs the native exchange, which does not load on every learner")
    elif settings.wire_security == "encrypted":
        raise UserError("--wire_security=encrypted: needs the native exchange; Horovod's messages are never encrypted")
    elif settings.link_mbit and job.rank() == 0:
        warnings.warn(
            f"--link_mbit={settings.link_mbit:g} has no effect: only the native exchange paces itself", stacklevel=2
        )
    return exchange


def lost() -> dict[int, str]:
    """{rank: why} of learners that the backend knows to be lost."""
    return library.lost() if bootstrap.is_started() else {}


def refused() -> int:
    """How many connections and broken streams the backend has turned away."""
    if not bootstrap.is_started():
        return 0
    counters = library.counters()
    return counters["connections_refused"] + counters["protocol_errors"]


def reconnections() -> int:
    """How many connections of this learner have broken and come back."""
    return library.counters()["reconnections"] if bootstrap.is_started() else 0


def resolve(backend: str | Exchange) -> Exchange:
    """The `Exchange` of a name; an `Exchange` is returned as it is.

    "auto" stands for "native" if native loads on every learner, else for "horovod", of which learner 0 warns once. All
    learners call it together with equal arguments, since the first call for "auto" or "native" asks all of them.

    Raises:
      UserError: an unknown name, or "native" does not load on some learner.
    """
    return named(_available(backend) if backend in ("auto", "native") else backend)


def named(backend: str | Exchange) -> Exchange:
    """The `Exchange` of any name but "auto", even if it does not load here; an `Exchange` is returned as it is."""
    if isinstance(backend, Exchange):
        return backend
    if backend not in _EXCHANGES:
        raise UserError(f"gossip.mix: backend {backend!r} is none of {', '.join(BACKENDS)}, and no gossip.Exchange")
    return _EXCHANGES[backend]


def native_loads() -> bool:
    """True if the native exchange loads on every learner; all learners call it together."""
    return not _missing()


@functools.cache
def _available(name: str) -> str:
    """The name of the backend that "auto" or "native" stands for here."""
    if job.size() == 1:  # nothing is carried, so nothing has to load
        return "horovod" if name == "auto" else name
    missing = _missing()
    if not missing:
        return "native"
    reasons = {problem: [r for r, other in missing.items() if other == problem] for problem in missing.values()}
    text = "; ".join(f"learner {', '.join(map(str, ranks))}: {problem}" for problem, ranks in reasons.items())
    if name == "native":
        raise UserError(f"gossip backend native: {text}")
    if job.rank() == 0:
        warnings.warn(
            f"gossip runs on the backend horovod, where every mix waits for all learners ({text})", stacklevel=3
        )
    return "horovod"


@functools.cache
def _missing() -> dict[int, str]:
    """{rank: what is wrong} for learners on which the native exchange does not load."""
    problem = None
    try:
        library.ops()
    except (UserError, OSError) as error:
        problem = str(error)
    problems = collectives.gather_at_start(problem, "gossip.backends")
    return {rank: problem for rank, problem in enumerate(problems) if problem is not None}
