"""A mix by the native op: neighbours only, all rounds in one op."""

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
    ops, shapes = library.ops(), [t.shape for t in tensors]
    with tf.device("CPU:0"):
        peers = _peers(schedule, step, rounds)
        pending = ops.tfdgan_mix_start(tensors, *peers, step, channel, _order(channel), wire=wire)

    def finish():
        with tf.device("CPU:0"):
            return ops.tfdgan_mix_finish(pending, N=len(tensors), T=tensors[0].dtype, shapes=shapes)

    return pending, finish
