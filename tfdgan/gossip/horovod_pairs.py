"""A gossip round over Horovod process sets, one for each pair of neighbours.

Only the two ends of an edge take part in its reduction. Process sets are made by all learners together and
slowly, so this serves fixed symmetric schedules.
"""

import functools

import numpy as np
import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.distributed.horovod import hvd
from tfdgan.errors import UserError
from tfdgan.gossip import wire as wire_format
from tfdgan.gossip.base import RoundExchange
from tfdgan.gossip.schedule import Schedule


@functools.cache
def _process_set(i: int, j: int) -> "hvd.ProcessSet":
    """The process set of learners i < j. If those two are the whole job, Horovod has it already."""
    return hvd.global_process_set if job.size() == 2 else hvd.add_process_set([i, j])


def _edges(schedule: Schedule) -> list[tuple[int, int, float]]:
    """Every edge (i, j, weight) with i < j, in one order on all learners."""
    W = schedule.matrices[0]
    return [(int(i), int(j), float(W[i, j])) for i, j in np.argwhere(np.triu(W, k=1))]


class HorovodPairs(RoundExchange):
    """The backend "horovod_pairs".

    A round where the wire is as wide as x: (1 - sum_e w_e) x_i + sum_e w_e (sum over pair e - x_i), by allreduce.
    Horovod reduces no bfloat16, so a wire of 16 bits takes an allgather of the two encodings.
    """

    name = "horovod_pairs"

    def check(self, schedule: Schedule) -> None:
        schedule.check_fixed_symmetric()
        if schedule.size > 2 and not job.allows_process_sets():
            raise UserError(
                "gossip backend horovod_pairs: Horovod was started without process sets; "
                "call tfdgan.start(process_sets=True) before anything else starts it, or use the backend horovod"
            )

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
        del step, rounds, round_index  # one fixed matrix
        rank = job.rank()
        # Every learner makes all process sets in one order, also those that it is no member of.
        edges = [(i, j, weight, _process_set(i, j)) for i, j, weight in _edges(schedule)]
        mine = [edge for edge in edges if rank in edge[:2]]
        total = sum(weight for _, _, weight, _ in mine)
        reduces = wire == x.dtype
        sent = wire_format.encode(x, wire)
        own = wire_format.decode(sent, wire, x.dtype)
        mixed = tf.cast(1.0 - total, x.dtype) * x if reduces else x
        for i, j, weight, pair in sorted(mine, key=lambda edge: edge[0] + edge[1] - rank):
            options = dict(name=f"{name}.{i}.{j}", ignore_name_scope=True, process_set=pair)
            weight = tf.constant(weight, x.dtype)
            if reduces:
                both = hvd.grouped_allreduce([x], op=hvd.Sum, **options)[0]
                mixed += weight * (both - x)
            else:
                both = hvd.allgather(sent[tf.newaxis], **options)
                other = tf.ensure_shape(both, [2, *x.shape])[1 if rank == i else 0]
                mixed += weight * (wire_format.decode(other, wire, x.dtype) - own)
        return mixed
