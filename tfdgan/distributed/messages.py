"""Values as bytes and back: JSON and raw arrays, so that nothing that comes from another process is ever run.

    bytes      what
    8          "tfdgan" and two digits: this format
    4          n, little-endian
    n          JSON in UTF-8
    the rest   the arrays and byte strings that the JSON names, one after the other, in C order

JSON has no tuples, sets, byte strings, arrays, or dicts whose keys are no strings. Each of these is an object of one
key that says what it is: {"tuple": [...]}, {"set": [...]}, {"dict": [[key, value], ...]}, {"bytes": length},
{"array": [dtype, shape]}. A dict is always written so.
"""

import json
import math
from typing import Any

import ml_dtypes
import numpy as np

_MAGIC = b"tfdgan01"
_HEAD = len(_MAGIC) + 4
_DTYPES = {
    np.dtype(kind).name: np.dtype(kind)
    for kind in (
        *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64, ml_dtypes.bfloat16),
    )
}


def dtype(name: str) -> np.dtype:
    """The type of arrays that has this name. Raises `ValueError` if messages know none."""
    if name not in _DTYPES:
        raise ValueError(f"no type of numbers: {name!r:.40}")
    return _DTYPES[name]


def encode(value: Any) -> bytes:
    """The bytes of None, bool, int, float, str, bytes, NumPy arrays; and of lists, tuples, sets and dicts of them.

    Raises:
      TypeError: anything else.
    """
    parts: list[bytes] = []
    text = json.dumps(_described(value, parts)).encode()
    return b"".join([_MAGIC, len(text).to_bytes(4, "little"), text, *parts])


def decode(message: bytes) -> Any:
    """The value that `encode` made a message of.

    Raises:
      ValueError: the message is none of `encode`, is cut off, or is longer than it says.
    """
    end = _HEAD + int.from_bytes(message[len(_MAGIC) : _HEAD], "little")
    if message[: len(_MAGIC)] != _MAGIC or len(message) < end:
        raise ValueError(f"no message of this format: {message[:16]!r}")
    rest = memoryview(message)[end:]
    try:
        value, rest = _value(json.loads(message[_HEAD:end].decode()), rest)
    except (TypeError, KeyError, RecursionError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"a message that cannot be read ({type(error).__name__})") from error
    if len(rest):
        raise ValueError(f"a message with {len(rest)} bytes too many")
    return value


def _described(value: Any, parts: list[bytes]) -> Any:
    """What JSON says of a value; bytes and arrays are appended to `parts`."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.name in _DTYPES:  # NumPy's float64 is a float too
        parts.append(value.tobytes())
        return {"array": [value.dtype.name, list(value.shape)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        parts.append(value)
        return {"bytes": len(value)}
    if isinstance(value, list):
        return [_described(item, parts) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_described(item, parts) for item in value]}
    if isinstance(value, set | frozenset):
        return {"set": [_described(item, parts) for item in sorted(value)]}
    if isinstance(value, dict):
        return {"dict": [[_described(key, parts), _described(item, parts)] for key, item in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot be sent: {value!r:.80}")


def _value(described: Any, rest: memoryview) -> tuple[Any, memoryview]:
    """(the value, what is left of `rest`)."""
    if isinstance(described, list):
        return _items(described, rest)
    if not isinstance(described, dict):
        return described, rest
    if len(described) != 1:
        raise ValueError(f"a message with an object of {len(described)} keys")
    ((kind, what),) = described.items()
    if kind == "bytes":
        taken, rest = _taken(rest, what)
        return bytes(taken), rest
    if kind == "array":
        name, shape = what
        if not all(isinstance(side, int) and side >= 0 for side in shape):
            raise ValueError(f"a message with an array of shape {shape!r:.80}")
        taken, rest = _taken(rest, math.prod(shape) * _DTYPES[name].itemsize)
        return np.frombuffer(taken, _DTYPES[name]).reshape(shape).copy(), rest
    if kind in ("tuple", "set"):
        items, rest = _items(what, rest)
        return tuple(items) if kind == "tuple" else set(items), rest
    if kind == "dict":
        pairs, rest = _items(what, rest)
        return {key: item for key, item in pairs}, rest
    raise ValueError(f"a message with an unknown kind of value: {kind!r:.80}")


def _items(described: list[Any], rest: memoryview) -> tuple[list[Any], memoryview]:
    items = []
    for one in described:
        item, rest = _value(one, rest)
        items.append(item)
    return items, rest


def _taken(rest: memoryview, count: int) -> tuple[memoryview, memoryview]:
    """(the first `count` bytes, the others)."""
    if not isinstance(count, int) or not 0 <= count <= len(rest):
        raise ValueError(f"a message that lacks bytes: {count!r:.80} of {len(rest)}")
    return rest[:count], rest[count:]
