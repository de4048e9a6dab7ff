"""Functions and methods as compiled functions."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compiled(function: Callable, jit: bool = False) -> Any:
    """A `tf.function` of a function or a bound method; with `jit` XLA compiles it."""

    # tf.function spends time on `self` at every call of a decorated method, hence the closure. It has the method's
    # name, or TensorFlow would take all closures for one function that is traced again and again.
    @functools.wraps(function)
    def closure(*args: Any) -> Any:
        return function(*args)

    return tf.function(closure, autograph=False, jit_compile=jit or None)
