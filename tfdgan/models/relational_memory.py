"""Relational memory: a recurrent cell whose state is rows of memory that attend to each other and to the input.

Santoro et al., "Relational recurrent neural networks", NeurIPS 2018, section 3; as a generator of sentences: Nie,
Narodytska, Patel, "RelGAN", ICLR 2019, section 3.1.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tfdgan.models import sentences

_FORGET_BIAS = 1.0


@keras.saving.register_keras_serializable(package="tfdgan")
class RelationalMemoryCell(layers.Layer):
    """A Keras RNN cell: (input [n, d], (memory [n, slots * heads * head_size],)) -> (memory, (memory,)).

    x is the input, projected to the size of a row. M are the rows of memory, and [M; x] the rows of memory with x:

        A   = LN(M + attention of M to [M; x], per head softmax(Q K^T / sqrt(head_size)) V)
        M'  = LN(A + relu(relu(A W1 + b1) W2 + b2))
        M_next = sigmoid(i) tanh(M') + sigmoid(f + 1) M,     [i, f] = x U + tanh(M) V + c

    W1 and W2 are two matrices (the released code of RelGAN shares one). Memory begins as rows of the identity.

    Args:
      slots: rows of memory.
      heads, head_size: of attention; a row has heads * head_size numbers.
    """

    def __init__(self, slots: int, heads: int, head_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._slots, self._heads, self._head_size = slots, heads, head_size
        self._row = heads * head_size
        self.state_size = self.output_size = slots * self._row

    def get_config(self) -> dict[str, Any]:
        sizes = dict(slots=self._slots, heads=self._heads, head_size=self._head_size)
        return {**super().get_config(), **sizes}

    def build(self, input_shape: Sequence[int | None]) -> None:
        row = self._row
        self._to_row = self._dense("input", row, input_shape[-1])
        self._attended = self._dense("query_key_value", 3 * row, row)
        self._mlp = [self._dense(f"mlp_{number}", row, row) for number in (1, 2)]
        self._gates_of_input = self._dense("gates_of_input", 2 * row, row)
        self._gates_of_memory = self._dense("gates_of_memory", 2 * row, row, use_bias=False)
        self._norms = [layers.LayerNormalization(name=f"norm_{number}", epsilon=1e-5) for number in (1, 2)]
        for norm in self._norms:
            norm.build((None, None, row))
        self.built = True

    def _dense(self, name: str, units: int, size: int | None, **options: Any) -> layers.Dense:
        dense = layers.Dense(units, name=name, **options)
        dense.build((None, size))
        return dense

    def get_initial_state(self, batch_size: tf.Tensor | int | None = None) -> list[tf.Tensor]:
        memory = tf.reshape(tf.eye(self._slots, self._row, dtype=self.compute_dtype), [1, -1])
        return [tf.tile(memory, [batch_size, 1])]

    def call(
        self, inputs: tf.Tensor, states: Sequence[tf.Tensor], training: bool | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        del training
        memory = tf.reshape(states[0], [-1, self._slots, self._row])
        x = self._to_row(inputs)[:, tf.newaxis]  # [n, 1, row]
        attended = self._norms[0](memory + self._attention(memory, tf.concat([memory, x], axis=1)))
        hidden = attended
        for dense in self._mlp:
            hidden = tf.nn.relu(dense(hidden))
        update = self._norms[1](attended + hidden)
        gates = self._gates_of_input(x) + self._gates_of_memory(tf.tanh(memory))
        enter, keep = tf.split(gates, 2, axis=-1)
        memory = tf.sigmoid(enter) * tf.tanh(update) + tf.sigmoid(keep + _FORGET_BIAS) * memory
        memory = tf.reshape(memory, [-1, self.state_size])
        return memory, [memory]

    def _attention(self, memory: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """[n, slots, row]: what each row of memory takes from all rows."""
        query, key, value = (self._of_heads(x) for x in tf.split(self._attended(rows), 3, axis=-1))
        query = query[:, :, : self._slots] * self._head_size**-0.5
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
        taken = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        return tf.reshape(taken, tf.shape(memory))

    def _of_heads(self, x: tf.Tensor) -> tf.Tensor:
        """[n, rows, heads * size] -> [n, heads, rows, size]."""
        return tf.transpose(tf.reshape(x, [-1, x.shape[1], self._heads, self._head_size]), [0, 2, 1, 3])


def build(
    sample_shape: tuple[int, int],
    *,
    slots: int,
    heads: int,
    width_g: int,
    width_d: int,
    embedding_size: int,
    representations: int,
    ends: bool,
) -> tuple[sentences.SentenceGenerator, keras.Model]:
    """(generator, critic) of sentences.

    Args:
      sample_shape: (length, vocabulary).
      slots, heads: of the memory; `width_g` is the size of a head.
      width_d, embedding_size, representations, ends: as `sentences.build` takes them, `width_d` as `filters`.
    """
    cell = RelationalMemoryCell(slots, heads, width_g, name="memory")
    return sentences.build(
        cell, sample_shape, embedding_size=embedding_size, representations=representations, filters=width_d, ends=ends
    )
