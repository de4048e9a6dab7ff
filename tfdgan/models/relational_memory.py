"""Relational memory: a recurrent cell whose state is rows of memory that attend to each other and to the input.

Santoro et al., "Relational recurrent neural networks", NeurIPS 2018, section 3; as a generator of sentences: Nie,
Narodytska, Patel, "RelGAN", ICLR 2019, section 3.1.
"""

import tensorflow as tf
from keras import layers

from tfdgan.models import sentences

_FORGET_BIAS = 1.0


class RelationalMemoryCell(layers.Layer):
    """A Keras RNN cell: (input [n, d], (memory [n, slots * heads * head_size],)) -> (memory, (memory,)).

    With x the input brought to a row's size, M the memory's rows and [M; x] both:

        A   = LN(M + attention of M to [M; x], per head softmax(Q K^T / sqrt(head_size)) V)
        M'  = LN(A + relu(relu(A W1 + b1) W2 + b2))
        M_next = sigmoid(i) tanh(M') + sigmoid(f + 1) M,     [i, f] = x U + tanh(M) V + c

    W1 and W2 are two matrices (the released code of RelGAN shares one). Memory begins as rows of the identity.

    Args:
      slots: rows of memory.
      heads, head_size: of attention; a row has heads * head_size numbers.
    """

    def __init__(self, slots, heads, head_size, **kwargs):
        super().__init__(**kwargs)
        self._slots, self._heads, self._head_size = slots, heads, head_size
        self._row = heads * head_size
        self.state_size = self.output_size = slots * self._row

    def build(self, input_shape):
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

    def _dense(self, name, units, size, **options):
        dense = layers.Dense(units, name=name, **options)
        dense.build((None, size))
        return dense

    def get_initial_state(self, batch_size=None):
        memory = tf.reshape(tf.eye(self._slots, self._row, dtype=self.compute_dtype), [1, -1])
        return [tf.tile(memory, [batch_size, 1])]

    def call(self, inputs, states, training=None):
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

    def _attention(self, memory, rows):
        """[n, slots, row]: what each row of memory takes from all rows."""
        query, key, value = (self._of_heads(x) for x in tf.split(self._attended(rows), 3, axis=-1))
        query = query[:, :, : self._slots] * self._head_size**-0.5
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
        taken = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        return tf.reshape(taken, tf.shape(memory))

    def _of_heads(self, x):
        """[n, rows, heads * size] -> [n, heads, rows, size]."""
        return tf.transpose(tf.reshape(x, [-1, x.shape[1], self._heads, self._head_size]), [0, 2, 1, 3])


def build(config, sample_shape):
    """(generator, critic) of sentences; `sample_shape` = (length, vocabulary)."""
    cell = RelationalMemoryCell(config.memory_slots, config.memory_heads, config.width_g, name="memory")
    return sentences.build(config, sample_shape, cell)
