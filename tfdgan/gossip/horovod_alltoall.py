"""A gossip round by `hvd.alltoall`: any schedule, no compiler; but every call involves every learner."""

import numpy as np
import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.distributed.horovod import hvd
from tfdgan.gossip import schedule_ops
from tfdgan.gossip import wire as wire_format
from tfdgan.gossip.base import RoundExchange
from tfdgan.gossip.schedule import Schedule


def _rows(schedule: Schedule, rank: int) -> int:
    """How many copies of x the input of the alltoall holds.

    The number is the same at every step, since Horovod negotiates again when a shape changes. Under a random schedule a
    learner may get any other's place, so the largest number of receivers counts.
    """
    receivers = ((schedule.matrices != 0) & ~np.eye(schedule.size, dtype=bool)).sum(axis=1)
    return int(receivers.max() if schedule.random else receivers[:, rank].max())


class HorovodAlltoall(RoundExchange):
    """The backend "horovod"."""

    name = "horovod"

    def gossip_round(
        self,
        x: tf.Tensor,
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        round_index: int,
        wire: tf.DType,
        name: str,
    ) -> tf.Tensor:
        rank, size = job.rank(), schedule.size
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
