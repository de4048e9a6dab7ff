"""Collectives outside training steps: many arrays in one message."""

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf

from tfdgan import distributed

N, RANK = hvd.size(), hvd.rank()


def test_broadcast_gives_everybody_rank_0s_values():
    """Shapes and types side by side, the floats at odd bytes."""
    mine = [
        np.array([True, RANK == 1, False]),
        np.float32([[1.5, RANK], [3, 4]]),
        np.int64(7 + RANK),
        np.float64([0.1]),
    ]
    mine += [np.zeros([0, 2], np.float32), np.float32([RANK - 2.0])]
    variables = [tf.Variable(value) for value in mine]
    distributed.broadcast_to_all(variables)
    want = [[True, False, False], [[1.5, 0], [3, 4]], 7, [0.1], np.zeros([0, 2]), [-2.0]]
    for variable, value, ours in zip(variables, want, mine, strict=True):
        np.testing.assert_array_equal(variable.numpy(), np.asarray(value, ours.dtype))
    distributed.broadcast_to_all([])


def test_totals_and_means_keep_shapes_and_types():
    """The sum is taken in float64: in float32, 2^24 + 1 is 2^24."""
    arrays = [
        np.float32([[2.0**24, 1.0]]) if RANK == 0 else np.float32([[1.0, RANK]]),
        np.int64(RANK),
        np.zeros([0, 3]),
    ]
    whole = distributed.total([arrays[0].astype(np.float64), *arrays[1:]], "test")
    ranks = sum(range(N))
    np.testing.assert_array_equal(whole[0], [[2.0**24 + N - 1, 1 + ranks]])
    assert whole[1] == ranks and whole[1].dtype == np.int64 and whole[2].shape == (0, 3)
    mean = distributed.mean(arrays[:1], "test")[0]
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, [[(2.0**24 + N - 1) / N, (1 + ranks) / N]], rtol=1e-7)
    assert distributed.total([], "none") == []
