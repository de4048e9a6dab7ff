"""`mix`: replace tensors by their weighted average over the neighbours of a schedule; and what else they exchange."""

import dataclasses
from collections.abc import Callable

import horovod.tensorflow as hvd
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip import BACKENDS, MOST_ROUNDS, WIRE_DTYPES, backends, horovod_alltoall, horovod_pairs
from tfdgan.gossip.native import exchange

# One round on a flat vector. The native backend takes all rounds and all tensors of a type at once.
_ROUND = {"horovod": horovod_alltoall.gossip_round, "horovod_pairs": horovod_pairs.gossip_round}


@tf.autograph.experimental.do_not_convert
def mix(tensors, schedule, step, *, rounds=1, backend="auto", wire_dtype=None, channel="default"):
    """Averages tensors with the neighbours': learner i gets sum_j M[i, j] x_j, M = schedule.matrix(step, rounds).

    One round computes x_i + sum_j W[i, j] (Q(x_j) - Q(x_i)), neighbours in ascending rank, Q the rounding to
    the wire type. That equals W x where the wire is as wide as the tensor; with a narrower wire it keeps the
    mean and does not round the weights themselves, which plain w_ii x_i + sum w_ij Q(x_j) would.

    Every learner calls it with tensors of the same shapes and types, in the same order; calls on one channel
    match in call order, calls in flight together need different channels. It may stand inside or outside a
    tf.function. Needs hvd.init(); the first call sets the backend up, on all learners together.

    Memory beside the tensors and the result. native: 4 MiB for each neighbour received from and round, and one copy
    on the wire type if that is not the tensors'. The others: one copy of all tensors in float32 (float64 stays
    float64), and on the wire type one copy for each neighbour sent to and each received from.

    Args:
      tensors: floating tensors or variables with static shapes.
      schedule: a `Schedule` (`topology.make_schedule`) of hvd.size() learners.
      step: int or scalar int64 tensor; may repeat, restart or skip.
      rounds: gossip rounds, 1 to `MOST_ROUNDS`.
      backend: "native" (neighbours only, any schedule; needs a compiler once), "horovod" (alltoall, any schedule),
        "horovod_pairs" (a process set for each pair of neighbours; fixed symmetric schedules) or "auto": native
        where it loads on every learner, else horovod.
      wire_dtype: "float32", "bfloat16" or "float16"; None sends each tensor in its own type.
      channel: a name for this stream of calls.

    Returns:
      A list of tensors: same order, types and static shapes.

    Raises:
      TypeError: no list, or a tensor in it that is not floating. UserError: anything else about the arguments.
    """
    return begin(
        tensors, schedule, step, rounds=rounds, backend=backend, wire_dtype=wire_dtype, channel=channel
    ).finish()


@dataclasses.dataclass(frozen=True)
class Begun:
    """A mix under way.

    Attributes:
      started: tensors; what depends on them is computed after the exchange has been started. Empty for backends
        that TensorFlow starts when it likes.
      finish: () -> what `mix` returns; to be called once.
    """

    started: list
    finish: Callable


@tf.autograph.experimental.do_not_convert
def begin(tensors, schedule, step, *, rounds=1, backend="auto", wire_dtype=None, channel="default"):
    """Starts a `mix`, to be finished later: what is computed in between overlaps with it. Returns a `Begun`."""
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"mix: give a list of tensors, not a {type(tensors).__name__}")
    tensors = [tf.convert_to_tensor(t) for t in tensors]
    _check(tensors, schedule, rounds, backend, wire_dtype)
    if schedule.size == 1:
        return Begun([], lambda: [tf.identity(t) for t in tensors])
    backend = backends.resolve(backend)
    step = tf.cast(step, tf.int64)

    def begin_alike(places, wire, name):
        alike = [tensors[i] for i in places]
        if backend == "native":
            return exchange.begin(alike, schedule, step, rounds, wire, name)
        results = _mix_flat(alike, schedule, step, rounds, wire, name, _ROUND[backend])
        return None, lambda: results

    return _by_type(tensors, wire_dtype, channel, begin_alike)


@tf.autograph.experimental.do_not_convert
def begin_late(tensors, before, schedule, step, *, rounds=1, wire_dtype=None, channel="default"):
    """Starts a `mix` on the native backend whose result the next call with this channel gives out: `finish` of this
    call gives what the call before has begun, so an exchange may take as long as two steps. The first one gives a mix
    of `before`, begun now as if for step - 1 (0 if that is negative): what a process that has no call before, since it
    starts or resumes, would have begun.

    Memory: two exchanges under way, so twice what `mix` takes, and the tensors until they are done. The other
    arguments are as `mix` takes them. Returns a `Begun`; outside a tf.function too. `forget` drops what is under way.
    """
    tensors, before = ([tf.convert_to_tensor(t) for t in values] for values in (tensors, before))
    _check(tensors, schedule, rounds, "native", wire_dtype)
    if schedule.size == 1:
        return Begun([], lambda: [tf.identity(t) for t in before])
    backends.resolve("native")
    step = tf.cast(step, tf.int64)

    def begin_alike(places, wire, name):
        alike, earlier = [tensors[i] for i in places], [before[i] for i in places]
        return exchange.begin_late(alike, earlier, schedule, step, rounds, wire, name)

    return _by_type(tensors, wire_dtype, channel, begin_alike)


@tf.autograph.experimental.do_not_convert
def begin_gather(message, schedule, step, *, channel="default"):
    """Starts to send a message to the neighbours on the native backend. `finish` of the `Begun` that it returns gives
    theirs: uint8 [neighbours received from, bytes], by ascending rank; zeros from one that is lost.

    Args:
      message: uint8 [bytes], as long on every learner.
      schedule: a `Schedule` of one matrix for ever, of hvd.size() learners.
      step, channel: as `mix` takes them.
    """
    message = tf.convert_to_tensor(message, tf.uint8)
    if schedule.size != hvd.size():
        raise UserError(f"gossip: the schedule is for {schedule.size} learners, but {hvd.size()} are running")
    if not schedule.is_fixed:
        raise UserError(f"gossip: messages go to fixed neighbours, and {schedule} has others at each step")
    if schedule.size == 1:
        return Begun([], lambda: tf.zeros([0, *message.shape], tf.uint8))
    backends.resolve("native")
    pending, finish = exchange.begin_gather(message, schedule, tf.cast(step, tf.int64), channel)
    return Begun([pending], finish)


def forget(tensors, channel):
    """Let the next `begin_late` of such tensors on a channel be the first."""
    for dtype in {t.dtype for t in tensors}:
        exchange.forget(f"{channel}.{tf.as_dtype(dtype).name}")


def _by_type(tensors, wire_dtype, channel, begin_alike):
    """A `Begun` of exchanges for tensors of one type each: `begin_alike`, a function of their places, type on the wire
    and channel, gives what is pending or None, and a function for the results."""
    started, finishes = [], []
    for dtype in dict.fromkeys(t.dtype for t in tensors):
        places = [i for i, t in enumerate(tensors) if t.dtype == dtype]
        if not any(tensors[i].shape.num_elements() for i in places):
            finishes.append((places, lambda places=places: [tf.identity(tensors[i]) for i in places]))
            continue
        wire = tf.as_dtype(wire_dtype) if wire_dtype else dtype
        pending, results = begin_alike(places, wire, f"{channel}.{dtype.name}")
        started += [] if pending is None else [pending]
        finishes.append((places, results))

    def finish():
        mixed = [None] * len(tensors)
        for places, results in finishes:
            for i, result in zip(places, results(), strict=True):
                mixed[i] = result
        return mixed

    return Begun(started, finish)


def _mix_flat(tensors, schedule, step, rounds, wire, name, gossip_round):
    """The mix of tensors of one type, as one vector and round by round."""
    dtype = tensors[0].dtype
    flat = tf.concat([tf.reshape(t, [-1]) for t in tensors], axis=0)
    flat = tf.cast(flat, tf.float64 if dtype == tf.float64 else tf.float32)
    for index in range(rounds):
        flat = gossip_round(flat, schedule, step, rounds, index, wire, f"tfdgan.mix.{name}.{index}")
    parts = tf.split(tf.cast(flat, dtype), [t.shape.num_elements() for t in tensors])
    return [tf.reshape(part, t.shape) for part, t in zip(parts, tensors, strict=True)]


def _check(tensors, schedule, rounds, backend, wire_dtype):
    for i, tensor in enumerate(tensors):
        # An eager tensor has no name of its own.
        label = f"tensor {i}" if isinstance(tensor, tf.__internal__.EagerTensor) else f"tensor {i} ({tensor.name})"
        if not tensor.dtype.is_floating:
            raise TypeError(f"gossip.mix: {label} is {tensor.dtype.name}; only floating tensors can be averaged")
        if not tensor.shape.is_fully_defined():
            raise UserError(f"gossip.mix: {label} has shape {tensor.shape}; shapes must be static")
    if schedule.size != hvd.size():
        raise UserError(f"gossip.mix: the schedule is for {schedule.size} learners, but {hvd.size()} are running")
    if not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        raise UserError(f"gossip.mix: rounds is {rounds!r}; give an int of 1 to {MOST_ROUNDS}")
    if schedule.rounds and rounds != schedule.rounds:
        raise UserError(f"gossip.mix: rounds is {rounds}; the schedule's matrices are for {schedule.rounds}")
    if backend not in BACKENDS:
        raise UserError(f"gossip.mix: backend {backend!r} is none of {', '.join(BACKENDS)}")
    if wire_dtype is not None and getattr(wire_dtype, "name", wire_dtype) not in WIRE_DTYPES:
        raise UserError(f"gossip.mix: wire_dtype {wire_dtype!r} is none of {', '.join(WIRE_DTYPES)}")
    if backend == "horovod_pairs":
        schedule.check_fixed_symmetric()
