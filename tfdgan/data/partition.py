"""Which samples each learner gets."""

import numpy as np


def indices(labels: np.ndarray, rank: int, size: int, partition: str) -> np.ndarray:
    """The ascending indices of learner `rank`'s samples: int64 [len(labels) // size].

    Args:
      labels: int [n].
      partition: "iid": every size-th sample; "by_label": the samples sorted by label and cut into `size`
        pieces, so that each learner sees few classes.
    """
    count = len(labels) // size
    if partition == "by_label":
        return np.sort(np.argsort(labels, kind="stable")[rank * count : (rank + 1) * count])
    return np.arange(rank, count * size, size)
