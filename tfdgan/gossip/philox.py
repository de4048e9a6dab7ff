"""Philox 4x32-10, on the host, bit for bit as TensorFlow draws it in a graph.

A random schedule must give the same permutation on every learner, in a graph and outside one, with nothing exchanged.
A counter-based generator does that: its output is a function of (key, counter).

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import numpy as np

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_ROUNDS = 10


def _block(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & _MASK,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def uint32(seed: int, step: int, count: int) -> np.ndarray:
    """`count` random words for (seed, step): a uint32 array.

    The key is `seed` (mod 2^64); the 128-bit counter is `step` in its upper half and the block's number in
    its lower one, so the streams of two steps never overlap.
    """
    seed, step = seed % 2**64, step % 2**64
    key = (seed & _MASK, seed >> 32)
    words: list[int] = []
    for block in range(-(-count // 4)):
        words.extend(_block((block & _MASK, block >> 32, step & _MASK, step >> 32), key))
    return np.array(words[:count], dtype=np.uint32)


def permutation(seed: int, step: int, size: int) -> np.ndarray:
    """A uniform permutation of range(size) for (seed, step): the order that sorts `size` random words."""
    return np.argsort(uint32(seed, step, size).astype(np.int64), kind="stable")
