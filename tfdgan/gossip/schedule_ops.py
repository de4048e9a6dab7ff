"""A schedule inside a TensorFlow graph, so that a random or time-varying one never retraces."""

import tensorflow as tf

from tfdgan.gossip.schedule import Schedule

_PHILOX = 1  # tf.random.Algorithm.PHILOX, as the raw op takes it


def permutation(schedule: Schedule, step: tf.Tensor) -> tf.Tensor:
    """`Schedule.permutation` for a scalar int64 tensor: int64 [size], equal to the host's bit for bit."""
    if not schedule.random:
        return tf.range(schedule.size, dtype=tf.int64)
    turn = step // schedule.every
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[len(schedule.ranks)],
        key=tf.constant([schedule.seed % 2**64], tf.uint64),
        counter=tf.stack([tf.constant(0, tf.uint64), tf.bitcast(turn, tf.uint64)]),
        alg=_PHILOX,
        dtype=tf.uint32,
    )
    # int64 keeps every word's value, and argsort of integers breaks ties by index, as NumPy's stable sort does.
    order = tf.cast(tf.argsort(tf.cast(words, tf.int64)), tf.int64)
    if len(schedule.ranks) == schedule.size:
        return order
    ranks = tf.constant(schedule.ranks, tf.int64)
    everyone = tf.range(schedule.size, dtype=tf.int64)
    return tf.tensor_scatter_nd_update(everyone, ranks[:, tf.newaxis], tf.gather(ranks, order))


def row_and_column(
    schedule: Schedule, step: tf.Tensor, rounds: int, round_index: int, rank: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Row and column `rank` of the matrix of one gossip round.

    Args:
      schedule: a `Schedule`.
      step: scalar int64 tensor.
      rounds: gossip rounds a step.
      round_index: which of them.
      rank: the learner.

    Returns:
      (row, column): float64 [size] each. row[j] = W[rank, j] is the weight that `rank` gives to learner j, column[i] =
      W[i, rank] the weight that learner i gives to `rank`.
    """
    W = tf.constant(schedule.matrices)[(step // schedule.every * rounds + round_index) % schedule.period]
    if schedule.every > 1:
        W = tf.where(step % schedule.every == 0, W, tf.eye(schedule.size, dtype=tf.float64))
    if not schedule.random:
        return W[rank], W[:, rank]
    order = permutation(schedule, step)
    mine = order[rank]
    return tf.gather(W[mine], order), tf.gather(W[:, mine], order)
