"""Exchanges by the native ops, with neighbours only: mixes, all rounds in one, now or a call later; messages."""

import functools

import horovod.tensorflow as hvd
import tensorflow as tf

from tfdgan.gossip import schedule_ops
from tfdgan.gossip.native import bootstrap, library


@functools.cache
def _order(channel):
    """A resource for each channel: tf.function runs ops on one resource in the program's order, others freely.

    A bare handle and no tf.Variable: a function that makes a variable when first called is traced twice.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name=f"tfdgan_order_{channel}")


def _peers(schedule, step, rounds):
    """(send_to, send_counts, receive_from, receive_counts, weights): peers of all rounds, one after the other."""
    rank = hvd.rank()
    if schedule.is_fixed:
        send, receive, weights, _ = schedule.peers(0, rank)
        lists = (send * rounds, [len(send)] * rounds, receive * rounds, [len(receive)] * rounds)
        return (*(tf.constant(values, tf.int32) for values in lists), tf.constant(weights * rounds, tf.float64))
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


def begin(tensors, schedule, step, rounds, wire, channel):
    """Start `neighbor_exchange.mix` for tensors of one type, `wire` their type on the wire: (started, finish)."""
    bootstrap.start_if_needed()
    pending = _start(tensors, schedule, step, rounds, wire, channel)
    return pending, lambda: _finish(pending, tensors)


def begin_late(tensors, before, schedule, step, rounds, wire, channel):
    """The same, but `finish` gives what the call before has begun; if there was none, a mix of `before`, begun now for
    step - 1."""
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
    return started, lambda: _finish(pending, tensors)


def begin_gather(message, schedule, step, channel):
    """Start to send a uint8 message to the neighbours of a fixed schedule: (started, finish), of which `finish` gives
    theirs, as long, [neighbours received from, bytes] by ascending rank."""
    bootstrap.start_if_needed()
    send, receive, _, _ = schedule.peers(0, hvd.rank())
    with tf.device("CPU:0"):
        to, of = tf.constant(send, tf.int32), tf.constant(receive, tf.int32)
        pending = library.ops().tfdgan_gather_start(message, to, of, step, channel, _order(channel))

    def finish():
        with tf.device("CPU:0"):
            shapes = [[len(receive), *message.shape]]
            return library.ops().tfdgan_mix_finish(pending, N=1, T=tf.uint8, shapes=shapes)[0]

    return pending, finish


def forget(channel):
    """Leave what a `begin_late` has begun to itself: the next begins anew."""
    with tf.device("CPU:0"):
        tf.raw_ops.DestroyResourceOp(resource=_under_way(channel), ignore_lookup_error=True)


@functools.cache
def _under_way(channel):
    """A bare variable, as `_order` is one, that holds the newest pending mix of a channel."""
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.raw_ops.VarHandleOp(dtype=tf.variant, shape=[], shared_name=f"tfdgan_under_way_{channel}")


def _start(tensors, schedule, step, rounds, wire, channel):
    with tf.device("CPU:0"):
        peers = _peers(schedule, step, rounds)
        return library.ops().tfdgan_mix_start(tensors, *peers, step, channel, _order(channel), wire=wire)


def _finish(pending, like):
    with tf.device("CPU:0"):
        shapes = [t.shape for t in like]
        return library.ops().tfdgan_mix_finish(pending, N=len(like), T=like[0].dtype, shapes=shapes)
