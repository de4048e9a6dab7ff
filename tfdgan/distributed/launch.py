"""What the launcher says about this process, read from its environment before TensorFlow is loaded."""

import os
from collections.abc import Sequence

_RANK = ("HOROVOD_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_SIZE = ("HOROVOD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")


def rank() -> int:
    """This learner's number; 0 without a launcher."""
    return _first(_RANK) or 0


def size() -> int | None:
    """The number of learners; 1 without a launcher, None if a launcher does not say."""
    found = _first(_SIZE)
    return 1 if found is None and _first(_RANK) is None else found


def _first(names: Sequence[str]) -> int | None:
    """The value of the first of these environment variables that is set."""
    return next((int(os.environ[name]) for name in names if name in os.environ), None)
