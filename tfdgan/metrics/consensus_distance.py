"""How far the learners' weights are from their mean: sqrt(mean_i |w_i - mean_j w_j|^2)."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

DIRECTIONS = 64


def distance(squares: np.ndarray) -> float:
    """The consensus distance, from the squared distance of each learner to the mean: [n]."""
    return float(np.sqrt(np.mean(squares)))


def sketch(tensors: Iterable[tf.Tensor], seed: int | tf.Tensor) -> tf.Tensor:
    """64 numbers whose squared norm is, in expectation over signs, the tensors' joint squared norm.

    Entry c of a flattened tensor goes to direction c mod 64 with a random sign that is a function of
    (seed, tensor number, c). The map is linear and the same on every learner, so distances between sketches
    estimate distances between weights; the relative standard error of a squared distance is about
    sqrt(2 / 64) = 18% (Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", 2002).

    Returns:
      float64 [64].
    """
    total = tf.zeros([DIRECTIONS], tf.float64)
    for number, tensor in enumerate(tensors):
        flat = tf.reshape(tf.cast(tensor, tf.float32), [-1])
        flat = tf.pad(flat, [[0, -flat.shape[0] % DIRECTIONS]])
        bits = tf.random.stateless_uniform(flat.shape, [seed, number], minval=0, maxval=2, dtype=tf.int32)
        signed = tf.reshape(flat * tf.cast(2 * bits - 1, tf.float32), [-1, DIRECTIONS])
        total += tf.reduce_sum(tf.cast(signed, tf.float64), axis=0)
    return total


def sketched_distance(sketches: np.ndarray) -> float:
    """The estimated consensus distance from the learners' sketches, [n, 64]."""
    return distance(np.sum(np.square(sketches - sketches.mean(axis=0)), axis=1))
