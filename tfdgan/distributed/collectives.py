"""The few collectives that are used outside training steps. All learners call each of them together."""

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfdgan.distributed import horovod_addresses, job, messages
from tfdgan.distributed.horovod import hvd
from tfdgan.errors import DiskError, LocalFault, SharedError, UserError

# Bytes of a message. With 8 learners 20 ms apart a collective takes about a second, however small it is, so a message
# for each tensor is too little. Gloo gives up on a broadcast that has not reached the last learner in 30 s, so one
# message for everything is too much.
_MESSAGE = 2 << 20


class Gathering(Protocol):
    """What `gather_by` takes, such as `gossip.native.assembly.Assembly`: collectives that name lost learners."""

    @property
    def ranks(self) -> list[int]:
        """Who is left, ascending."""

    @property
    def lost(self) -> dict[int, str]:
        """{rank: why}."""

    def gather(self, value: Any) -> list[Any]:
        """[value of each learner in `ranks`]."""

    def mean(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The mean of each array over the learners in `ranks`."""

    def total(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The sum of each array over the learners in `ranks`."""


class Apart:
    """A `Gathering`, and a `Meeting`, of a learner that prepares for itself: as if all had the same values.

    Args:
      ranks: who counts as being there.
      lost: {rank: why} of the others.
    """

    def __init__(self, ranks: Sequence[int], lost: Mapping[int, str] = {}) -> None:
        self.ranks, self.lost = list(ranks), dict(lost)

    def gather(self, value: Any) -> list[Any]:
        """The value, once for each learner."""
        return [value] * len(self.ranks)

    def mean(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays."""
        return list(arrays)

    def total(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays' values, once for each learner."""
        return [array * len(self.ranks) for array in arrays]

    def close(self) -> None:
        """Nobody else is there."""


class Meeting(Protocol):
    """What `meet_by` takes: `rendezvous.Rendezvous`."""

    def gather(self, value: Any) -> list[Any]:
        """[value of each learner]."""

    def close(self) -> None:
        """End it."""


_gathering: Gathering | None = None
_meeting: Meeting | None = None


def gather_by(gathering: Gathering) -> None:
    """Use `gathering` instead of Horovod for every function of this module but `gather_at_start` from now on."""
    global _gathering
    _gathering = gathering


def meet_by(meeting: Meeting | None) -> None:
    """Use `meeting` for what is gathered before the exchange stands, instead of Horovod; None: Horovod again."""
    global _meeting
    _meeting = meeting


def carrier() -> Gathering | None:
    """What `gather_by` has set; None where Horovod carries the functions of this module."""
    return _gathering


def leave_meeting() -> None:
    """End what carried values before `gather_by`: Horovod, or the rendezvous. All learners call it together."""
    global _meeting
    if not _meeting and job.has_horovod():
        horovod_addresses.forget()  # before the farewell: nobody starts Horovod again meanwhile
    gather(None, "farewell")  # nobody waits there any more
    if _meeting:
        _meeting.close()
        _meeting = None
    else:
        job.leave_horovod()


def ranks() -> list[int]:
    """The learners whose values the functions below return, ascending."""
    return _gathering.ranks if _gathering else list(range(job.size()))


def lost() -> dict[int, str]:
    """{learner: why} of those that are no longer in `ranks()`."""
    return _gathering.lost if _gathering else {}


def gather(value: Any, name: str) -> list[Any]:
    """[value of each learner in `ranks()`] for any value that `messages.encode` takes, on every learner."""
    return _gathering.gather(value) if _gathering else gather_at_start(value, name)


def gather_at_start(value: Any, name: str) -> list[Any]:
    """As `gather`, of all learners, whatever `gather_by` has set: by the meeting, or Horovod."""
    if job.size() == 1:
        return [value]
    if _meeting:
        return _meeting.gather(value)
    mine = np.frombuffer(messages.encode(value), np.uint8)
    with tf.init_scope():
        lengths = hvd.allgather(tf.constant([len(mine)], tf.int64), name=f"tfdgan.{name}.lengths").numpy()
        everyone = hvd.allgather(tf.constant(mine), name=f"tfdgan.{name}").numpy()
    return [messages.decode(part.tobytes()) for part in np.split(everyone, np.cumsum(lengths)[:-1])]


def gather_vector(vector: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    """float64 [len(ranks()), len(vector)] from every learner's float64 vector: one small message."""
    row = np.asarray(vector, np.float64)[np.newaxis]
    if _gathering:
        return np.concatenate(_gathering.gather(row))
    return hvd.allgather(tf.constant(row), name=f"tfdgan.{name}").numpy() if job.size() > 1 else row


def mean(arrays: Sequence[np.ndarray], name: str) -> list[np.ndarray]:
    """The mean over learners of each NumPy array: computed in float64, returned in the array's type."""
    if _gathering:
        return _gathering.mean(arrays)
    return _totals(arrays, name, job.size())


def total(arrays: Sequence[np.ndarray], name: str) -> list[np.ndarray]:
    """The sum over learners of each NumPy array: computed in float64, returned in the array's type."""
    if _gathering:
        return _gathering.total(arrays)
    return _totals(arrays, name, 1)


def _totals(arrays: Sequence[np.ndarray], name: str, divisor: int) -> list[np.ndarray]:
    """Horovod's sums in float64, divided by `divisor`, each in its array's type. Memory: these and a few messages."""
    found = []
    for index, group in enumerate(_messages(arrays)):
        sums = np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in group])
        if job.size() > 1:
            sums = hvd.allreduce(tf.constant(sums), op=hvd.Sum, name=f"tfdgan.total.{name}.{index}").numpy()
        parts = np.split(sums, np.cumsum([array.size for array in group])[:-1])
        found += [(p.reshape(array.shape) / divisor).astype(array.dtype) for p, array in zip(parts, group, strict=True)]
    return found


def broadcast_to_all(variables: Sequence[tf.Variable], root: int = 0) -> None:
    """Give every learner the values of learner `root`, at the start. Memory: a copy of them all, and a few messages.

    Raises:
      LocalFault: that learner is lost.
    """
    if job.size() == 1:
        return
    values = [np.array(tf.convert_to_tensor(variable)) for variable in variables]
    rows = [value.reshape(-1).view(np.uint8) for value in values]
    pieces = [row[begin : begin + _MESSAGE] for row in rows for begin in range(0, row.size, _MESSAGE)]
    for index, group in enumerate(_messages(pieces)):
        mine = np.concatenate(group)
        if _gathering:
            everyone = _gathering.gather(mine if job.rank() == root else None)
            found = dict(zip(ranks(), everyone, strict=True))
            if (given := found.get(root)) is None:
                raise LocalFault(f"learner {root} was lost before the first step")
        else:
            given = hvd.broadcast(tf.constant(mine), root_rank=root, name=f"tfdgan.start.{index}").numpy()
        for piece, part in zip(group, np.split(given, np.cumsum([piece.size for piece in group])[:-1]), strict=True):
            piece[:] = part
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _messages(arrays: Iterable[np.ndarray]) -> list[list[np.ndarray]]:
    """The arrays in order, in lists of at most `_MESSAGE` bytes, or of one array."""
    groups: list[list[np.ndarray]] = []
    room = 0
    for array in arrays:
        if not groups or array.nbytes > room:
            groups.append([])
            room = _MESSAGE
        groups[-1].append(array)
        room -= array.nbytes
    return groups


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Run a block on every learner; if it fails on any, all raise one `UserError` that names the learner.

    So a bad disk on one host ends the job with one line instead of leaving the others to wait for it: a `DiskError`,
    where others are `SharedError`s.
    """
    problem = text = None
    try:
        yield
    except Exception as error:  # whatever it is, the others must hear of it before this learner goes
        problem, text = error, _line(error)
    found = gather((text, isinstance(problem, OSError | DiskError), socket.gethostname()), "together")
    alike = len({message for message, *_ in found}) == 1
    failed = [
        (is_disk, rank, message, host) for rank, (message, is_disk, host) in zip(ranks(), found, strict=True) if message
    ]
    for is_disk, rank, message, host in sorted(failed):  # what is no disk's fault comes first: nobody may pass it over
        kind = DiskError if is_disk else SharedError
        raise kind(f"{message}{'' if alike else f' (learner {rank} on {host})'}") from problem


def _line(error: Exception) -> str:
    """The message of an error, which names the error's type unless it is one that a user is meant to read."""
    if isinstance(error, UserError):
        return error.as_flags()
    text = str(error) or type(error).__name__
    return text if isinstance(error, OSError) else f"{type(error).__name__}: {text}"
