"""The backend "native": exchanges by the native ops, with neighbours only."""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.gossip import schedule_ops
from tfdgan.gossip.base import Begun, Exchange
from tfdgan.gossip.native import bootstrap, library
from tfdgan.gossip.schedule import Schedule


class NativeExchange(Exchange):
    """Mixes, all rounds in one op; late mixes; messages. The pending tensor is a handle, a variant."""

    name = "native"

    def begin(
        self,
        tensors: Sequence[tf.Tensor],
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        wire: tf.DType,
        channel: str,
    ) -> Begun:
        bootstrap.start_if_needed()
        pending = _start(tensors, schedule, step, rounds, wire, channel)
        return Begun([pending], [pending], _completion(tensors[0].dtype, [t.shape for t in tensors]))

    def begin_late(
        self,
        tensors: Sequence[tf.Tensor],
        before: Sequence[tf.Tensor],
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        wire: tf.DType,
        channel: str,
    ) -> Begun:
        bootstrap.start_if_needed()
        under_way = _under_way(channel)
        with tf.device("CPU:0"):
            pending = tf.cond(
                tf.raw_ops.VarIsInitializedOp(resource=under_way),
                lambda: tf.raw_ops.ReadVariableOp(resource=under_way, dtype=tf.variant),
                lambda: _start(before, schedule, tf.maximum(step - 1, 0), rounds, wire, channel),
            )
            with tf.control_dependencies([pending]):
                started = _start(tensors, schedule, step, rounds, wire, channel)
                assigned = tf.raw_ops.AssignVariableOp(resource=under_way, value=started)
        # In a tf.function the assignment is an op, which runs anyway; an eager one has run.
        del assigned
        return Begun([pending], [started], _completion(tensors[0].dtype, [t.shape for t in tensors]))

    def begin_gather(self, message: tf.Tensor, schedule: Schedule, step: tf.Tensor, channel: str) -> Begun:
        bootstrap.start_if_needed()
        send, receive, _, _ = schedule.peers(0, job.rank())
        with tf.device("CPU:0"):
            to, of = tf.constant(send, tf.int32), tf.constant(receive, tf.int32)
            pending = library.ops().tfdgan_gather_start(message, to, of, step, channel, _order(channel))
        return Begun([pending], [pending], _completion(tf.uint8, [[len(receive), *message.shape]]))

    def forget(self, channel: str) -> None:
        """Drop the exchange under way: it goes on by itself, and nobody takes its results."""
        with tf.device("CPU:0"):
            tf.raw_ops.DestroyResourceOp(resource=_under_way(channel), ignore_lookup_error=True)


@functools.cache
def _order(channel: str) -> tf.Tensor:
    """A resource for each channel: tf.function runs ops on one resource in the program's order, others freely.

    A bare handle and no tf.Variable: a function that makes a variable when first called is traced twice.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name=f"tfdgan_order_{channel}")


@functools.cache
def _under_way(channel: str) -> tf.Tensor:
    """A bare variable, as `_order` is one, that holds the newest pending mix of a channel."""
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.raw_ops.VarHandleOp(dtype=tf.variant, shape=[], shared_name=f"tfdgan_under_way_{channel}")


def _peers(
    schedule: Schedule, step: tf.Tensor, rounds: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """(send_to, send_counts, receive_from, receive_counts, weights): peers of all rounds, one after the other."""
    rank = job.rank()
    if schedule.is_fixed:
        send, receive, weights, _ = schedule.peers(0, rank)
        lists = (send * rounds, [len(send)] * rounds, receive * rounds, [len(receive)] * rounds)
        send_to, send_counts, receive_from, receive_counts = (tf.constant(values, tf.int32) for values in lists)
        return send_to, send_counts, receive_from, receive_counts, tf.constant(weights * rounds, tf.float64)
    pairs = [schedule_ops.row_and_column(schedule, step, rounds, index, rank) for index in range(rounds)]
    rows, columns = (tf.stack(part) for part in zip(*pairs, strict=True))
    others = tf.range(schedule.size) != rank
    sends, receives = (columns != 0) & others, (rows != 0) & others
    return (
        tf.cast(tf.where(sends)[:, 1], tf.int32),
        tf.math.count_nonzero(sends, axis=1, dtype=tf.int32),
        tf.cast(tf.where(receives)[:, 1], tf.int32),
        tf.math.count_nonzero(receives, axis=1, dtype=tf.int32),
        tf.boolean_mask(rows, receives),
    )


def _start(
    tensors: Sequence[tf.Tensor], schedule: Schedule, step: tf.Tensor, rounds: int, wire: tf.DType, channel: str
) -> tf.Tensor:
    """Hand tensors over; returns the pending mix, a scalar variant."""
    with tf.device("CPU:0"):
        peers = _peers(schedule, step, rounds)
        return library.ops().tfdgan_mix_start(tensors, *peers, step, channel, _order(channel), wire=wire)


def _completion(
    dtype: tf.DType, shapes: Sequence[tf.TensorShape | list[int]]
) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
    """`Begun.complete` of one pending handle whose results have this dtype and these shapes."""

    @tf.autograph.experimental.do_not_convert
    def complete(pending: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        (handle,) = pending
        with tf.device("CPU:0"):
            return library.ops().tfdgan_mix_finish(handle, N=len(shapes), T=dtype, shapes=shapes)

    return complete
