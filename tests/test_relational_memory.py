"""The relational memory cell against its formulas in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models.relational_memory import RelationalMemoryCell


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x, gain, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) + bias


def by_hand(w, x, memory, heads, size):
    """One sentence: x [d], memory [slots, row] -> the next memory."""
    slots, row = memory.shape
    x = x @ w["input/kernel"] + w["input/bias"]
    rows = np.concatenate([memory, x[None]])
    query, key, value = np.split(rows @ w["query_key_value/kernel"] + w["query_key_value/bias"], 3, axis=1)
    taken = np.zeros((slots, row))
    for head in range(heads):
        mine = slice(head * size, (head + 1) * size)
        taken[:, mine] = softmax(query[:slots, mine] @ key[:, mine].T / np.sqrt(size)) @ value[:, mine]
    attended = norm(memory + taken, w["norm_1/gamma"], w["norm_1/beta"])
    hidden = np.maximum(attended @ w["mlp_1/kernel"] + w["mlp_1/bias"], 0)
    hidden = np.maximum(hidden @ w["mlp_2/kernel"] + w["mlp_2/bias"], 0)
    update = norm(attended + hidden, w["norm_2/gamma"], w["norm_2/beta"])
    gates = x @ w["gates_of_input/kernel"] + w["gates_of_input/bias"] + np.tanh(memory) @ w["gates_of_memory/kernel"]
    enter, keep = np.split(gates, 2, axis=1)
    return sigmoid(enter) * np.tanh(update) + sigmoid(keep + 1) * memory


@pytest.mark.parametrize("slots", [1, 3])
def test_three_steps_are_those_of_the_formulas(slots):
    heads, size, random = 2, 3, np.random.default_rng(slots)
    cell = RelationalMemoryCell(slots, heads, size)
    cell.build((None, 4))
    for weight in cell.weights:
        weight.assign(random.normal(size=weight.shape))
    names = [weight.path.removeprefix("relational_memory_cell/") for weight in cell.weights]
    weights = dict(zip(["/".join(name.split("/")[-2:]) for name in names], map(np.asarray, cell.weights), strict=True))
    assert len(weights) == len(cell.weights) == 15  # so the two layers of the MLP share nothing
    state = cell.get_initial_state(batch_size=5)
    expected = np.tile(np.eye(slots, heads * size)[None], (5, 1, 1))
    for _ in range(3):
        x = random.normal(size=(5, 4)).astype(np.float32)
        output, state = cell(tf.constant(x), state)
        expected = np.stack([by_hand(weights, *pair, heads, size) for pair in zip(x, expected, strict=True)])
        np.testing.assert_allclose(output, expected.reshape(5, -1), atol=2e-5)
        np.testing.assert_array_equal(output, state[0])
