"""Learners' shards of sentences."""

import numpy as np

from tfdgan.data import partition as parts
from tfdgan.data.arrays import ArraySource
from tfdgan.errors import UserError


def shard(
    words: np.ndarray,
    styles: np.ndarray,
    *,
    rank: int,
    size: int,
    partition: str,
    name: str,
    classes: int | None = None,
) -> ArraySource:
    """Learner `rank`'s shard of sentences, labelled with their styles.

    Args:
      words: int32 [n, length].
      styles: int [n]; zeros where there are no styles.
      rank, size, partition: which part of how many, as `partition.indices` divides.
      name: what `--dataset` names the sentences by, for errors.
      classes: how many styles there are; None where there are none.

    Raises:
      UserError: the learner gets no sentence.
    """
    mine = parts.indices(styles, rank, size, partition)
    if not len(mine):
        share = f"learner {rank} of {size} gets no sentences"
        raise UserError(f"--dataset={name}: {share}; use fewer learners or more data")
    return ArraySource(words[mine], styles[mine], classes=classes, dtype="int32")
