"""Which learner this process is, as its launcher or its flags say, and whether it speaks for all; no TensorFlow."""

import os
from collections.abc import Sequence

_RANK = ("HOROVOD_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_SIZE = ("HOROVOD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")

_given: tuple[int, int] | None = None
_has_floor = False


def give(rank: int, size: int) -> None:
    """Say which learner of how many this process is, as `--learner` and `--learners` do."""
    global _given
    _given = rank, size


def rank() -> int:
    """This learner's number; 0 without a launcher."""
    return _given[0] if _given else _first(_RANK) or 0


def size() -> int | None:
    """The number of learners; 1 without a launcher, None if a launcher does not say."""
    if _given:
        return _given[1]
    found = _first(_SIZE)
    return 1 if found is None and _first(_RANK) is None else found


def take_floor() -> None:
    """Speak for all learners from now on, as the first of those that live."""
    global _has_floor
    _has_floor = True


def leave_floor() -> None:
    """Let another learner speak, which has come back to the first place."""
    global _has_floor
    _has_floor = False


def has_floor() -> bool:
    """True if this learner says what concerns all: learner 0, or who has taken its place."""
    return _has_floor or rank() == 0


def place() -> tuple[int | None, int | None]:
    """(rank, size) as a launcher says; None for what it does not say."""
    return _first(_RANK), _first(_SIZE)


def is_alone() -> bool:
    """True if no launcher has started this process."""
    return not _given and place() == (None, None)


def _first(names: Sequence[str]) -> int | None:
    """The value of the first of these environment variables that is set."""
    return next((int(os.environ[name]) for name in names if name in os.environ), None)
