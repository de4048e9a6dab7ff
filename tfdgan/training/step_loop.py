"""Many steps in one call, so that Python is not between them."""

import tensorflow as tf


def looped(step, metrics):
    """A compiled function (first, count, batches) -> the mean of `metrics` numbers over `count` steps from `first`.

    Args:
      step: function (scalar int64 tensor, batch) -> float64 [metrics].
      metrics: how many numbers a step gives.

    The function's `first` and `count` are scalar int64 tensors, so no number of steps traces it anew; `batches` is an
    iterator of a tf.data.Dataset.
    """

    @tf.function(autograph=False)
    def steps(first, count, batches):
        def one(done, total):
            return done + 1, total + step(first + done, next(batches))

        begin = (tf.constant(0, tf.int64), tf.zeros([metrics], tf.float64))
        _, total = tf.while_loop(lambda done, _: done < count, one, begin, parallel_iterations=1)
        return total / tf.cast(count, tf.float64)

    return steps
