"""A gossip round over Horovod process sets, one for each pair of neighbours.

Only the two ends of an edge take part in its reduction. Process sets are made by all learners together and
slowly, so this serves fixed symmetric schedules.
"""

import functools

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf

from tfdgan.gossip import wire as wire_format


@functools.cache
def _process_set(i, j):
    """The process set of learners i < j. If those two are the whole job, Horovod has it already."""
    return hvd.global_process_set if hvd.size() == 2 else hvd.add_process_set([i, j])


def _edges(schedule):
    """Every edge (i, j, weight) with i < j, in one order on all learners."""
    W = schedule.matrices[0]
    return [(int(i), int(j), float(W[i, j])) for i, j in np.argwhere(np.triu(W, k=1))]


def gossip_round(x, schedule, step, rounds, round_index, wire, name):
    """x_i + sum_j W[i, j] (Q(x_j) - Q(x_i)) for x [P] float32 or float64; see `neighbor_exchange.mix`.

    Where the wire is as wide as x: (1 - sum_e w_e) x_i + sum_e w_e (sum over pair e - x_i), by allreduce.
    Horovod reduces no bfloat16, so 16-bit wires take an allgather of the two encodings.
    """
    del step, rounds, round_index  # one fixed matrix
    rank = hvd.rank()
    # Everybody makes every process set, in one order, also those it is no member of.
    edges = [(i, j, weight, _process_set(i, j)) for i, j, weight in _edges(schedule)]
    mine = [edge for edge in edges if rank in edge[:2]]
    total = sum(weight for _, _, weight, _ in mine)
    reduces = wire == x.dtype
    sent = wire_format.encode(x, wire)
    own = wire_format.decode(sent, wire, x.dtype)
    mixed = tf.cast(1.0 - total, x.dtype) * x if reduces else x
    for i, j, weight, pair in sorted(mine, key=lambda edge: sum(edge[:2]) - rank):
        edge_name = f"{name}.{i}.{j}"
        weight = tf.constant(weight, x.dtype)
        if reduces:
            both = hvd.grouped_allreduce([x], op=hvd.Sum, name=edge_name, ignore_name_scope=True, process_set=pair)[0]
            mixed += weight * (both - x)
        else:
            both = hvd.allgather(sent[tf.newaxis], name=edge_name, ignore_name_scope=True, process_set=pair)
            other = tf.ensure_shape(both, [2, *x.shape])[1 if rank == i else 0]
            mixed += weight * (wire_format.decode(other, wire, x.dtype) - own)
    return mixed
