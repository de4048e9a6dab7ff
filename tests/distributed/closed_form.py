"""Inputs that differ by rank, and what a mix of them must give, computed for all learners in NumPy."""

import functools

import numpy as np
import tensorflow as tf

SMALL = [(3, 5), (), (0, 2), (17,)]  # odd sizes, a scalar and an empty tensor
LARGE = [*SMALL, (131, 137)]  # and one that the native backend sends in several chunks


def inputs(rank, shapes=SMALL):
    random = np.random.default_rng(rank)
    return [np.asarray(random.standard_normal(shape) + rank, np.float32) for shape in shapes]


def rounded(x, wire):
    return x.astype(tf.as_dtype(wire).as_numpy_dtype).astype(np.float32)


def expected(schedule, step, rounds, wire, arrays):
    """Every learner's result by x_i + sum_j W_ij (Q(x_j) - Q(x_i)), round by round, ascending j, in float32."""
    learners, x = range(schedule.size), arrays
    for index in range(rounds):
        order = schedule.permutation(step)
        W = schedule.matrices[(step * rounds + index) % schedule.period][np.ix_(order, order)]
        q = [rounded(a, wire) for a in x]
        x = [
            functools.reduce(
                lambda sum_, j, i=i: sum_ + np.float32(W[i, j]) * (q[j] - q[i]),
                [j for j in learners if j != i and W[i, j]],
                x[i],
            )
            for i in learners
        ]
    return x
