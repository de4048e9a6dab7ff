"""Which backend carries a mix: what the user names, or the best that works on every learner."""

import functools
import warnings

import horovod.tensorflow as hvd
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip.native import bootstrap, library


def start(backend, timeout, on_peer_loss, link_mbit, schedule):
    """Set up the backend before the first mix, on all learners together; returns its name.

    Args:
      backend: as `resolve` takes it.
      timeout, on_peer_loss, link_mbit, schedule: as `bootstrap.start` takes them; only the native backend has them.
    """
    backend = resolve(backend)
    if backend == "native":
        bootstrap.start(timeout, on_peer_loss, link_mbit, schedule)
    elif on_peer_loss == "degrade":
        raise UserError("--on_peer_loss=degrade: needs the native exchange, which does not load on every learner")
    elif link_mbit and hvd.rank() == 0:
        warnings.warn(f"--link_mbit={link_mbit:g} has no effect: only the native exchange paces itself", stacklevel=2)
    return backend


def lost():
    """{rank: why} of learners that the backend knows to be lost."""
    return library.lost() if bootstrap.is_started() else {}


def refused():
    """How many connections and broken streams the backend has turned away."""
    if not bootstrap.is_started():
        return 0
    counters = library.counters()
    return counters["connections_refused"] + counters["protocol_errors"]


@functools.cache
def resolve(backend):
    """ "auto" becomes "native" if that loads on every learner, else "horovod", which is said once.

    Learners call it together with equal arguments: the first call asks all of them.

    Raises:
      UserError: "native" does not load on some learner.
    """
    if backend not in ("auto", "native") or hvd.size() == 1:
        return backend
    missing = _missing()
    if not missing:
        return "native"
    reasons = {problem: [r for r, other in missing.items() if other == problem] for problem in missing.values()}
    text = "; ".join(f"learner {', '.join(map(str, ranks))}: {problem}" for problem, ranks in reasons.items())
    if backend == "native":
        raise UserError(f"gossip backend native: {text}")
    if hvd.rank() == 0:
        warnings.warn(
            f"gossip runs on the backend horovod, where every mix waits for all learners ({text})", stacklevel=2
        )
    return "horovod"


@functools.cache
def _missing():
    """{rank: what is wrong} for learners on which the native exchange does not load."""
    problem = None
    try:
        library.ops()
    except (UserError, OSError) as error:
        problem = str(error)
    with tf.init_scope():
        problems = hvd.allgather_object(problem, name="tfdgan.gossip.backends")
    return {rank: problem for rank, problem in enumerate(problems) if problem is not None}
