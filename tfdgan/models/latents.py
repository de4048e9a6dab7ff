"""Latents: drawn, truncated, and on paths between others. Pure functions."""

import numpy as np
import tensorflow as tf
from scipy.special import ndtr, ndtri

_EXPORTED = 0x7FD6A4


def exported_seeds(seed):
    """Two integers, of a scalar int64 tensor: the samples of an exported generator are no other use's of that seed."""
    return tf.stack([tf.constant(_EXPORTED, tf.int64), seed])


def normal(shape, seeds):
    """float32 standard normal numbers, a function of two integers."""
    return tf.random.stateless_normal(shape, seeds)


def gumbel(shape, seeds):
    """float32 standard Gumbel numbers -log(-log u), a function of two integers; u is uniform in (0, 1)."""
    uniform = tf.random.stateless_uniform(shape, seeds, minval=np.finfo(np.float32).tiny)
    return -tf.math.log(-tf.math.log(uniform))


def truncated(latents, threshold):
    """Standard normal numbers as ones that are normal between -threshold and threshold.

    By their quantiles, z' = F^-1(F(-t) + F(z) (F(t) - F(-t))), F the normal distribution function: the samples of one
    seed stay recognisable over all thresholds. Fewer kinds of samples, and fewer bad ones: the truncation trick of
    Brock, Donahue, Simonyan, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", ICLR 2019.
    """
    low, high = ndtr(-threshold), ndtr(threshold)
    return ndtri(low + ndtr(np.asarray(latents, np.float64)) * (high - low)).astype(np.float32)


def paths(starts, ends, frames):
    """`frames` points of each path from a start to an end, both included: [n, frames, latent_size].

    Along the great circle, with the length going evenly from one's to the other's, since normal latents in many
    dimensions lie near a sphere, and the middle of the straight line does not (White, "Sampling Generative Networks",
    2016). For unit vectors at a right angle, half-way is (a + b) / sqrt 2.
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
