"""Values that learners send each other, as bytes and back; bytes that are no message."""

import math
import pickle
import random

import ml_dtypes
import numpy as np
import pytest

from tfdgan.distributed import messages

VALUES = [
    *(None, True, 0, -(2**70), 1.5, math.inf, "", "ü\n", b"", b"\xff\x00", [], (), set(), {}),
    [1, (2, "3"), [None]],
    {0: "killed", "a": {(1, 2): b"x"}},
    {"held": {3, 1, 2}, "known": {500: 4}},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back(value):
    back = messages.decode(messages.encode(value))
    assert back == value and type(back) is type(value)


def test_arrays_come_back_with_type_shape_and_bits():
    arrays = [
        np.float32([[1.5, np.nan], [-0.0, 3e-39]]),
        np.zeros([0, 3], np.float64),
        np.array(7, np.int64),
        np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        np.array([0.1, -2], ml_dtypes.bfloat16),
        np.float16([1])[::-1],
    ]
    back = messages.decode(messages.encode((arrays, b"between", {"scalar": np.float64(0.1)})))
    for old, new in zip([*arrays, np.float64(0.1)], [*back[0], back[2]["scalar"]], strict=True):
        assert new.dtype == old.dtype and new.shape == old.shape and new.tobytes() == old.tobytes()
        new.reshape(-1)[:] = 0  # its own memory, which may be written to
    assert back[1] == b"between"


def test_the_bytes_of_a_message():
    text = b'[{"array": ["uint8", [1]]}, {"bytes": 1}]'
    assert messages.encode([np.uint8([5]), b"x"]) == b"tfdgan01" + bytes([len(text), 0, 0, 0]) + text + b"\x05x"


@pytest.mark.parametrize("value", [object(), [lambda: 0], np.array(["text"]), {"a": 1j}])
def test_what_has_no_bytes(value):
    with pytest.raises(TypeError, match="cannot be sent"):
        messages.encode(value)


def message(text, rest=b""):
    return b"tfdgan01" + len(text).to_bytes(4, "little") + text + rest


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"tfdgan01",
        pickle.dumps(1),
        message(b"[1")[:-1],
        message(b"\xff"),
        message(b"{}"),
        message(b"1", b"2"),
        message(b'{"run": "rm"}'),
        message(b'{"bytes": 5}', b"four"),
        message(b'{"bytes": -1}', b"four"),
        message(b'{"array": ["object", [1]]}', bytes(8)),
        message(b'{"array": ["float32", [1099511627776, 1099511627776]]}', bytes(8)),
        message(b'{"array": ["float32", [-1]]}', bytes(8)),
        message(b'{"array": ["float32", ["2"]]}', bytes(8)),
        message(b'{"array": ["float32", [0, 1000000000000000000000000000000]]}'),
        message(b'{"array": 7}'),
        message(b'{"tuple": 7}'),
        message(b'{"dict": [[1]]}'),
        message(b'{"dict": [[[], 1]]}'),
        message(b"[" * 100_000),
    ],
    ids=lambda bad: repr(bad)[:50],
)
def test_what_is_no_message(bad):
    with pytest.raises(ValueError):
        messages.decode(bad)


def test_messages_with_changed_bytes_are_refused_or_read():
    """Whatever comes, it is a value or a ValueError."""
    draw, whole = random.Random(0), messages.encode({"a": [np.arange(4.0), (1, b"xyz")], "b": {1: "two"}})
    refused = 0
    for _ in range(3000):
        words = bytearray(whole[: draw.choice([len(whole), draw.randint(1, len(whole))])])
        for _ in range(draw.randint(0, 4)):
            words[draw.randrange(len(words))] = draw.randrange(256)
        try:
            messages.decode(bytes(words))
        except ValueError:
            refused += 1
    assert refused > 1000
