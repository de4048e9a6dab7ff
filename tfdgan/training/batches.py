"""A source's batches as the steps of a run take them."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfdgan.data import Source


def batches_of(source: Source, count: int, seed: int, labelled: bool) -> Callable[[int], Iterator[Any]]:
    """A function step -> an iterator over the batches from that step on, of `count` samples each.

    The next two batches are made while a step runs, on one thread: the pipeline shares the learner's cores with it.

    Args:
      source, seed, labelled: as `Source.stream` takes them.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = 1

    def batches_from(step: int) -> Iterator[Any]:
        return iter(source.stream(count, seed, step, labelled=labelled).with_options(options).prefetch(2))

    return batches_from
