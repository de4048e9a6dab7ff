"""Latents: random ones, truncated ones, and paths from one to another. Pure functions."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.special import ndtr, ndtri

_EXPORTED = 0x7FD6A4


def exported_seeds(seed: tf.Tensor) -> tf.Tensor:
    """The two seeds int64 [2] that an exported generator makes of a scalar int64 seed. Nothing else uses them."""
    return tf.stack([tf.constant(_EXPORTED, tf.int64), seed])


def normal(shape: Sequence[int], seeds: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """float32 standard normal numbers, a function of two integer seeds."""
    return tf.random.stateless_normal(shape, seeds)


def gumbel(shape: Sequence[int], seeds: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """float32 standard Gumbel numbers -log(-log u), u uniform in (0, 1): a function of two integer seeds."""
    uniform = tf.random.stateless_uniform(shape, seeds, minval=np.finfo(np.float32).tiny)
    return -tf.math.log(-tf.math.log(uniform))


def truncated(latents: np.ndarray, threshold: float) -> np.ndarray:
    """Standard normal numbers z mapped to a normal distribution truncated to [-t, t], t the threshold: float32.

    z' = F^-1(F(-t) + F(z) (F(t) - F(-t))), F the normal distribution function. Quantiles stay, so the samples of one
    seed stay recognisable over all thresholds. A small threshold gives fewer kinds of samples, and fewer bad ones:
    the truncation trick of Brock, Donahue, Simonyan, "Large Scale GAN Training for High Fidelity Natural Image
    Synthesis", ICLR 2019.
    """
    low, high = ndtr(-threshold), ndtr(threshold)
    return ndtri(low + ndtr(np.asarray(latents, np.float64)) * (high - low)).astype(np.float32)


def paths(starts: np.ndarray, ends: np.ndarray, frames: int) -> np.ndarray:
    """`frames` points of each path from a start to an end, both included: float32 [n, frames, latent_size].

    A path follows the great circle, while the norm changes evenly from the start's to the end's. Normal latents in
    many dimensions lie near a sphere, and the middle of the straight line does not (White, "Sampling Generative
    Networks", 2016). For unit vectors a and b at a right angle, half-way is (a + b) / sqrt 2.

    Args:
      starts, ends: [n, latent_size].
    """
    starts, ends = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    lengths = [np.linalg.norm(x, axis=1, keepdims=True) for x in (starts, ends)]
    a, b = (x / np.maximum(length, 1e-12) for x, length in zip((starts, ends), lengths, strict=True))
    angle = np.arccos(np.clip(np.sum(a * b, axis=1, keepdims=True), -1, 1))
    points = []
    for t in np.linspace(0, 1, frames):
        with np.errstate(invalid="ignore", divide="ignore"):
            on_arc = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
        direction = np.where(np.sin(angle) < 1e-6, (1 - t) * a + t * b, on_arc)
        points.append(direction * ((1 - t) * lengths[0] + t * lengths[1]))
    return np.stack(points, axis=1).astype(np.float32)
