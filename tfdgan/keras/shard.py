"""`shard`: this learner's part of a dataset, as long as everybody's."""

import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.errors import UserError


def shard(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """This learner's part of a dataset: of `size` learners, learner `rank` gets elements rank, rank + size, ...

    Every learner gets the same number of elements, as `Gossip` needs. What is left over at the end is dropped, and
    learner 0 prints how much. An infinite dataset stays infinite. After `batch` the elements are batches.

    All learners call it with datasets of the same elements in the same order. So shuffle afterwards, or with a seed.
    Each learner still computes what comes before `shard`; call it before a costly `map`.

    Args:
      dataset: finite with a known cardinality, or infinite.

    Raises:
      UserError: no dataset, an unknown cardinality, fewer elements than learners, or `tfdgan.start()` was not called.
    """
    rank, size = job.rank(), job.size()
    if not isinstance(dataset, tf.data.Dataset):
        raise UserError(f"shard: dataset is a {type(dataset).__name__}; give a tf.data.Dataset")
    total = int(dataset.cardinality())
    if total == tf.data.UNKNOWN_CARDINALITY:
        raise UserError(
            "shard: dataset has an unknown cardinality; give dataset.apply(tf.data.experimental.assert_cardinality(n))"
        )
    if total == tf.data.INFINITE_CARDINALITY:
        return dataset.shard(size, rank)
    each, rest = divmod(total, size)
    if not each:
        raise UserError(f"shard: dataset has {total} elements for {size} learners; use fewer learners or more data")
    if rest and rank == 0:
        print(f"shard: {rest} of {total} elements dropped, so that each of {size} learners gets {each}", flush=True)
    return dataset.take(each * size).shard(size, rank)
