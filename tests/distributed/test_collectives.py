"""Collectives outside training steps: many arrays in one message."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

from tfdgan.distributed import collectives

N, RANK = hvd.size(), hvd.rank()


def test_broadcast_gives_everybody_rank_0s_values():
    """Shapes and types side by side, the floats at odd bytes; the last ones fill more than two messages."""
    mine = [
        np.array([True, RANK == 1, False]),
        np.float32([[1.5, RANK], [3, 4]]),
        np.int64(7 + RANK),
        np.float64([0.1]),
    ]
    mine += [np.zeros([0, 2], np.float32), np.arange(1_100_001, dtype=np.float32) - 1_000_000.0 * RANK]
    variables = [tf.Variable(value) for value in mine]
    variables += [keras.Variable([1.0 + RANK]), tf.Variable(np.float64(RANK + 0.5))]
    collectives.broadcast_to_all(variables)
    want = [[True, False, False], [[1.5, 0], [3, 4]], 7, [0.1], np.zeros([0, 2]), np.arange(1_100_001), [1], 0.5]
    for variable, value in zip(variables, want, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    collectives.broadcast_to_all([])


def test_totals_and_means_keep_shapes_and_types():
    whole = collectives.total(
        [np.zeros([0, 3]), np.float32([[1.0, RANK]]), np.int64(RANK), np.full(300_000, 1.0)], "test"
    )
    ranks = sum(range(N))
    np.testing.assert_array_equal(whole[1], [[N, ranks]])
    assert whole[0].shape == (0, 3) and whole[2] == ranks
    assert [found.dtype for found in whole] == [np.float64, np.float32, np.int64, np.float64]
    np.testing.assert_array_equal(whole[3], np.full(300_000, float(N)))
    assert collectives.total([], "none") == []


def test_means_are_of_sums_in_float64():
    """In float32 2^24 + 1 is 2^24, whoever adds it when."""
    large = 2.0**24
    mine = np.float32([large if RANK == rank else 1.0 for rank in range(N)])
    (mean,) = collectives.mean([mine], "large")
    np.testing.assert_array_equal(mean, np.full(N, (large + N - 1) / N, np.float32))
