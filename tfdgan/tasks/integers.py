"""Exported functions that take integers of either size: programs give int32, int64 or plain numbers."""

import itertools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_SIZES = (tf.int32, tf.int64)


def for_integers(function: Callable[..., Any], *specs: tf.TensorSpec) -> Any:
    """A tf.function that a SavedModel keeps for int32 and int64 wherever `specs` have an integer.

    Args:
      function: of tensors, which casts its integers itself; it is traced for each combination of sizes.
      specs: of its arguments.
    """
    traced = tf.function(function, autograph=False)
    for kinds in itertools.product(*(_SIZES if spec.dtype.is_integer else (spec.dtype,) for spec in specs)):
        traced.get_concrete_function(
            *(tf.TensorSpec(spec.shape, kind, name=spec.name) for spec, kind in zip(specs, kinds, strict=True))
        )
    return traced
