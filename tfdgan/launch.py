"""What the launcher says about this process, read from its environment before TensorFlow is loaded."""

import os

_RANK = ("HOROVOD_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_SIZE = ("HOROVOD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")


def _first(names, default):
    return next((int(os.environ[name]) for name in names if name in os.environ), default)


def rank():
    """This learner's number; 0 without a launcher."""
    return _first(_RANK, 0)


def size():
    """The number of learners; 1 without a launcher, None if a launcher does not say."""
    return _first(_SIZE, None if _first(_RANK, None) is not None else 1)
