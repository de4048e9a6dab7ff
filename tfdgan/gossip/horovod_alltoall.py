"""A gossip round by `hvd.alltoall`: any schedule, no compiler; but every call involves every learner."""

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf

from tfdgan.gossip import schedule_ops
from tfdgan.gossip import wire as wire_format


def _rows(schedule, rank):
    """How many copies of x the input holds: one number for all steps, since a shape that changed would be
    negotiated anew. A random schedule may give any learner anybody's place."""
    receivers = ((schedule.matrices != 0) & ~np.eye(schedule.size, dtype=bool)).sum(axis=1)
    return int(receivers.max() if schedule.random else receivers[:, rank].max())


def gossip_round(x, schedule, step, rounds, round_index, wire, name):
    """x_i + sum_j W[i, j] (Q(x_j) - Q(x_i)) for x [P] float32 or float64; see `neighbor_exchange.mix`."""
    rank, size = hvd.rank(), schedule.size
    row, column = schedule_ops.row_and_column(schedule, step, rounds, round_index, rank)
    others = tf.range(size) != rank
    sources = tf.logical_and(row != 0, others)
    sent = wire_format.encode(x, wire)
    # Rows go out in rank order, 0 or 1 to each learner; rows beyond the number of receivers stay here.
    received, _ = hvd.alltoall(
        tf.broadcast_to(sent, [_rows(schedule, rank), x.shape[0]]),
        splits=tf.cast(tf.logical_and(column != 0, others), tf.int32),
        name=name,
        ignore_name_scope=True,
    )
    weights = tf.cast(tf.boolean_mask(row, sources), x.dtype)
    own = wire_format.decode(sent, wire, x.dtype)
    return tf.while_loop(
        lambda j, _: j < tf.shape(weights)[0],
        lambda j, mixed: (j + 1, mixed + weights[j] * (wire_format.decode(received[j], wire, x.dtype) - own)),
        (0, x),
    )[1]
