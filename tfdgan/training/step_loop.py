"""Many steps in one call, so that Python is not between them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def figure_names(function: Any, *arguments: Any) -> list[str]:
    """The sorted names of the figures that a compiled function returns, as a dict or as the first of several results.

    The function is traced for such arguments, unless it has been; nothing is computed.
    """
    found = function.get_concrete_function(*arguments).structured_outputs
    return sorted(found if isinstance(found, dict) else found[0])


def looped(step: Any) -> Callable[..., dict[str, tf.Tensor]]:
    """A compiled function (first, count, batches) -> the means of a step's figures over `count` steps from `first`.

    Args:
      step: compiled function (scalar int64, batch) -> {name: scalar float64}.

    Returns:
      A function whose `first` and `count` are scalar int64 tensors, so no number of steps traces it again; `batches` is
      an iterator of a tf.data.Dataset.
    """

    @tf.function(autograph=False)
    def steps(first: tf.Tensor, count: tf.Tensor, batches: Any) -> dict[str, tf.Tensor]:
        names = figure_names(step, tf.TensorSpec([], tf.int64), batches.element_spec)

        def one(done: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            figures = step(first + done, next(batches))
            return done + 1, total + tf.stack([figures[name] for name in names])

        begin = (tf.constant(0, tf.int64), tf.zeros([len(names)], tf.float64))
        _, total = tf.while_loop(lambda done, _: done < count, one, begin, parallel_iterations=1)
        return dict(zip(names, tf.unstack(total / tf.cast(count, tf.float64)), strict=True))

    return steps
