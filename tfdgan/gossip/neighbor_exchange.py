"""`mix`: the weighted average of tensors over the neighbours of a schedule; mixes in parts, late mixes, messages."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.errors import UserError
from tfdgan.gossip import MOST_ROUNDS, WIRE_DTYPES, backends
from tfdgan.gossip.base import Begun, Exchange
from tfdgan.gossip.schedule import Schedule


@tf.autograph.experimental.do_not_convert
def mix(
    tensors: Sequence[tf.Tensor],
    schedule: Schedule,
    step: int | tf.Tensor,
    *,
    rounds: int = 1,
    backend: str | Exchange = "auto",
    wire_dtype: str | None = None,
    channel: str = "default",
) -> list[tf.Tensor]:
    """Averages tensors with the neighbours': learner i gets sum_j M[i, j] x_j, M = schedule.matrix(step, rounds).

    One round computes x_i + sum_j W[i, j] (Q(x_j) - Q(x_i)), neighbours in ascending rank; Q rounds to the wire type.
    With a wire as wide as the tensor this is W x. With a narrower wire it keeps the mean and does not round the weights
    themselves; the plain form w_ii x_i + sum_j w_ij Q(x_j) would round them.

    Every learner calls it with tensors of the same shapes and types, in the same order. Calls on one channel match in
    call order; calls in flight together need different channels. It may stand inside or outside a tf.function. Needs
    `tfdgan.start()`; the first call sets the backend up, on all learners together.

    Memory besides the tensors and the results. native: 4 MiB for each round and each neighbour received from, and one
    copy in the wire type if the tensors have another. Horovod's: one copy of all tensors in float32 (float64 stays
    float64), and in the wire type one copy for each neighbour sent to and one for each received from.

    Args:
      tensors: floating tensors or variables with static shapes.
      schedule: a `Schedule` (`topology.make_schedule`) of as many learners as run.
      step: int or scalar int64 tensor; may repeat, restart or skip.
      rounds: gossip rounds, 1 to `MOST_ROUNDS`.
      backend: "native" (neighbours only, any schedule; needs a compiler once), "horovod" (alltoall, any schedule),
        "horovod_pairs" (a process set for each pair of neighbours; fixed symmetric schedules), "auto" (native where it
        loads on every learner, else horovod), or an `Exchange`.
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


@tf.autograph.experimental.do_not_convert
def begin(
    tensors: Sequence[tf.Tensor],
    schedule: Schedule,
    step: int | tf.Tensor,
    *,
    rounds: int = 1,
    backend: str | Exchange = "auto",
    wire_dtype: str | None = None,
    channel: str = "default",
) -> Begun:
    """Starts a `mix` that is finished later; computations in between overlap with it. Arguments as `mix` takes them.

    One tf.function may begin an exchange and return `begun.pending`. Another function, or code outside any, finishes it
    by `begun.complete(pending)`. In between the native backend carries the exchange. Horovod's backends have finished
    it when the first function returns.
    """
    tensors = _as_tensors(tensors)
    exchange = _checked(tensors, schedule, rounds, backend, wire_dtype)
    if schedule.size == 1:
        return Begun([tf.identity(t) for t in tensors], [], list)
    step = _as_step(step)

    def begin_alike(places: list[int], wire: tf.DType, name: str) -> Begun:
        return exchange.begin([tensors[i] for i in places], schedule, step, rounds, wire, name)

    return _by_type(tensors, wire_dtype, channel, begin_alike)


@tf.autograph.experimental.do_not_convert
def begin_late(
    tensors: Sequence[tf.Tensor],
    before: Sequence[tf.Tensor],
    schedule: Schedule,
    step: int | tf.Tensor,
    *,
    rounds: int = 1,
    backend: str | Exchange = "native",
    wire_dtype: str | None = None,
    channel: str = "default",
) -> Begun:
    """Starts a `mix` whose results the next call on this channel returns, so that an exchange may take two steps.

    The `Begun` of this call has the results of the mix that the previous call started. The first call of a process
    starts two mixes: that of `tensors`, and one of `before` at step - 1 (at step 0 if `step` is 0). Its results are
    those of the latter. So a run that resumes at any step goes on like one that was never interrupted.

    It works outside a tf.function too. `forget` drops the mix under way.

    Memory: two exchanges under way, so twice what `mix` takes, and the tensors of both until they are done.

    Args:
      tensors: as `mix` takes them.
      before: the tensors that a call at step - 1 would have been given; only the first call sends them.
      backend: "native", or an `Exchange` that has `begin_late`.
      The other arguments are as `mix` takes them.
    """
    tensors, before = _as_tensors(tensors), _as_tensors(before)
    exchange = _checked(tensors, schedule, rounds, backend, wire_dtype)
    if schedule.size == 1:
        return Begun([tf.identity(t) for t in before], [], list)
    step = _as_step(step)

    def begin_alike(places: list[int], wire: tf.DType, name: str) -> Begun:
        now, earlier = [tensors[i] for i in places], [before[i] for i in places]
        return exchange.begin_late(now, earlier, schedule, step, rounds, wire, name)

    return _by_type(tensors, wire_dtype, channel, begin_alike)


@tf.autograph.experimental.do_not_convert
def begin_gather(
    message: tf.Tensor,
    schedule: Schedule,
    step: int | tf.Tensor,
    *,
    backend: str | Exchange = "native",
    channel: str = "default",
) -> Begun:
    """Starts to send a message to the neighbours, and to receive theirs.

    Args:
      message: uint8 [bytes], of the same length on every learner.
      schedule: a `Schedule` whose matrix never changes, of as many learners as run.
      backend: "native", or an `Exchange` that has `begin_gather`.
      step, channel: as `mix` takes them.

    Returns:
      A `Begun` of one result, the neighbours' messages: uint8 [neighbours received from, bytes], by ascending rank. The
      message of a lost neighbour is zeros.
    """
    message = tf.convert_to_tensor(message, tf.uint8)
    if schedule.size != job.size():
        raise UserError(f"gossip: the schedule is for {schedule.size} learners, but {job.size()} are running")
    if not schedule.is_fixed:
        raise UserError(f"gossip: messages go to fixed neighbours, and {schedule} has others at each step")
    if schedule.size == 1:
        return Begun([tf.zeros([0, *message.shape], tf.uint8)], [], list)
    return backends.resolve(backend).begin_gather(message, schedule, _as_step(step), channel)


def forget(tensors: Sequence[tf.Tensor], channel: str, *, backend: str | Exchange = "native") -> None:
    """Drop the mixes that `begin_late` has under way on `channel` for the dtypes of `tensors`.

    The next call with these dtypes counts as the first.
    """
    if job.size() == 1:
        return
    exchange = backends.named(backend)
    for dtype in {t.dtype for t in tensors}:
        exchange.forget(_channel_of(channel, tf.as_dtype(dtype)))


def _by_type(
    tensors: list[tf.Tensor],
    wire_dtype: str | None,
    channel: str,
    begin_alike: Callable[[list[int], tf.DType, str], Begun],
) -> Begun:
    """One `Begun` of the exchanges of all tensors, one exchange for each dtype.

    `begin_alike` begins one: (places in `tensors`, dtype on the wire, channel) -> `Begun`. Tensors of a dtype that hold
    no element between them are exchanged with nobody.
    """
    parts = []
    for dtype in dict.fromkeys(t.dtype for t in tensors):
        places = [i for i, t in enumerate(tensors) if t.dtype == dtype]
        if any(tensors[i].shape.num_elements() for i in places):
            wire = tf.as_dtype(wire_dtype) if wire_dtype else dtype
            parts.append((places, begin_alike(places, wire, _channel_of(channel, dtype))))
        else:
            parts.append((places, Begun([tf.identity(tensors[i]) for i in places], [], list)))
    count = len(tensors)
    layout = [(places, len(begun.pending), begun.complete) for places, begun in parts]

    @tf.autograph.experimental.do_not_convert
    def complete(pending: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        results: list[tf.Tensor] = [None] * count
        rest = list(pending)
        for places, length, complete_alike in layout:
            mine, rest = rest[:length], rest[length:]
            for i, result in zip(places, complete_alike(mine), strict=True):
                results[i] = result
        return results

    pending = [tensor for _, begun in parts for tensor in begun.pending]
    return Begun(pending, [tensor for _, begun in parts for tensor in begun.started], complete)


def _channel_of(channel: str, dtype: tf.DType) -> str:
    """The channel of one dtype's exchange."""
    return f"{channel}.{dtype.name}"


def _as_tensors(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"mix: give a list of tensors, not a {type(tensors).__name__}")
    return [tf.convert_to_tensor(t) for t in tensors]


def _as_step(step: int | tf.Tensor) -> tf.Tensor:
    """`step` as a scalar int64 tensor."""
    try:
        # TensorFlow keeps Python's numbers for good, .8 KB each.
        found = tf.convert_to_tensor(np.int64(step) if isinstance(step, int) and not isinstance(step, bool) else step)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or not found.dtype.is_integer or found.shape.rank:
        raise UserError(f"gossip.mix: step is {step!r:.60}; give an int or a scalar integer tensor")
    return tf.cast(found, tf.int64)


def _check_schedule(schedule: Schedule) -> None:
    if not isinstance(schedule, Schedule):
        kind = type(schedule).__name__
        raise UserError(f"gossip.mix: schedule is a {kind}; make one by tfdgan.make_schedule(topology, size)")


def _checked(
    tensors: list[tf.Tensor], schedule: Schedule, rounds: int, backend: str | Exchange, wire_dtype: str | None
) -> Exchange:
    """The backend, once everything about a mix has been checked."""
    _check_schedule(schedule)
    for i, tensor in enumerate(tensors):
        name = getattr(tensor, "name", None)  # an eager tensor has none of its own
        label = f"tensor {i} ({name})" if name else f"tensor {i}"
        if not tensor.dtype.is_floating:
            raise TypeError(f"gossip.mix: {label} is {tensor.dtype.name}; only floating tensors can be averaged")
        if not tensor.shape.is_fully_defined():
            raise UserError(f"gossip.mix: {label} has shape {tensor.shape}; shapes must be static")
    if schedule.size != job.size():
        raise UserError(f"gossip.mix: the schedule is for {schedule.size} learners, but {job.size()} are running")
    if not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        raise UserError(f"gossip.mix: rounds is {rounds!r}; give an int of 1 to {MOST_ROUNDS}")
    if schedule.rounds and rounds != schedule.rounds:
        raise UserError(f"gossip.mix: rounds is {rounds}; the schedule's matrices are for {schedule.rounds}")
    if wire_dtype is not None and getattr(wire_dtype, "name", wire_dtype) not in WIRE_DTYPES:
        raise UserError(f"gossip.mix: wire_dtype {wire_dtype!r} is none of {', '.join(WIRE_DTYPES)}")
    exchange = backends.resolve(backend)
    exchange.check(schedule)
    return exchange
