"""Messages that stand for a vector in fewer bytes than its numbers take, and lose something of it.

Bytes are in the machine's own order, so all learners must run on machines of one kind. Shared random numbers need this
too.
"""

import abc

import tensorflow as tf

from tfdgan.errors import UserError


class Code(abc.ABC):
    """A code for float32 vectors of one size.

    Attributes:
      bytes: the length of a message.
    """

    bytes: int

    @abc.abstractmethod
    def encode(self, x: tf.Tensor) -> tf.Tensor:
        """float32 [size] -> uint8 [bytes]."""

    @abc.abstractmethod
    def decode(self, message: tf.Tensor) -> tf.Tensor:
        """uint8 [bytes] -> float32 [size]; a message of zeros stands for zeros."""


def make(kind: str, size: int, fraction: float) -> Code:
    """The code of a vector of `size` numbers: "int8", `BlockInt8`, or "top_k", `BlockTopK` with `fraction`."""
    return BlockInt8(size) if kind == "int8" else BlockTopK(size, fraction)


class BlockInt8(Code):
    """Rounds to 8 bits: in each block of 256 numbers to the nearest multiple of s = max |x| / 127.

    A message holds the multiples, int8, and each block's s, float32: 1.016 bytes a number. No number is off by more
    than s / 2.
    """

    _BLOCK = 256

    def __init__(self, size: int) -> None:
        self._size, self._blocks = size, -(-size // self._BLOCK)
        self.bytes = self._blocks * (self._BLOCK + 4)

    def encode(self, x: tf.Tensor) -> tf.Tensor:
        blocks = _in_blocks(x, self._blocks, self._BLOCK)
        scales = tf.reduce_max(tf.abs(blocks), axis=1, keepdims=True) / 127
        multiples = tf.cast(tf.round(tf.math.divide_no_nan(blocks, scales)), tf.int8)
        return tf.concat([_to_bytes(multiples), _to_bytes(scales)], axis=0)

    def decode(self, message: tf.Tensor) -> tf.Tensor:
        multiples = tf.bitcast(message[: self._blocks * self._BLOCK], tf.int8)
        scales = tf.bitcast(tf.reshape(message[self._blocks * self._BLOCK :], [-1, 4]), tf.float32)
        blocks = tf.cast(tf.reshape(multiples, [self._blocks, self._BLOCK]), tf.float32) * scales[:, tf.newaxis]
        return tf.reshape(blocks, [-1])[: self._size]


class BlockTopK(Code):
    """Keeps the largest: in each block of 4,096 numbers the k of largest |x|, the others count as 0.

    k = round(4096 fraction), at least 1. A message holds places in blocks, uint16, and values, bfloat16: 4 bytes for
    each number kept. Blocks let all cores search at once, and places in them fit 16 bits.
    """

    _BLOCK = 4096

    def __init__(self, size: int, fraction: float) -> None:
        if not 0 < fraction <= 1:
            raise UserError(f"top-k compression: the fraction kept is {fraction}; give a number above 0, at most 1")
        self._size, self._blocks = size, -(-size // self._BLOCK)
        self._kept = max(1, round(self._BLOCK * fraction))
        self.bytes = self._blocks * self._kept * 4

    def encode(self, x: tf.Tensor) -> tf.Tensor:
        blocks = _in_blocks(x, self._blocks, self._BLOCK)
        places = tf.math.top_k(tf.abs(blocks), self._kept, sorted=False).indices
        values = tf.cast(tf.gather(blocks, places, batch_dims=1), tf.bfloat16)
        return tf.concat([_to_bytes(tf.cast(places, tf.uint16)), _to_bytes(values)], axis=0)

    def decode(self, message: tf.Tensor) -> tf.Tensor:
        places, values = tf.split(tf.reshape(message, [2, -1, 2]), 2)
        places = tf.cast(tf.reshape(tf.bitcast(places, tf.uint16), [self._blocks, self._kept]), tf.int32)
        values = tf.cast(tf.reshape(tf.bitcast(values, tf.bfloat16), [-1]), tf.float32)
        flat = tf.reshape(places + tf.range(self._blocks)[:, tf.newaxis] * self._BLOCK, [-1, 1])
        return tf.scatter_nd(flat, values, [self._blocks * self._BLOCK])[: self._size]


def _in_blocks(x: tf.Tensor, blocks: int, block: int) -> tf.Tensor:
    """[size] -> [blocks, block], filled up with zeros."""
    padded = tf.pad(x, [[0, blocks * block - x.shape[0]]])
    return tf.reshape(padded, [blocks, block])


def _to_bytes(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.bitcast(x, tf.uint8), [-1])
