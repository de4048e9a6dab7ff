"""The job of learners: who this learner is, Horovod's start and end, and this learner's share of the machine."""

import os
import socket
import warnings
from typing import NamedTuple

import psutil
import tensorflow as tf

from tfdgan.distributed import launch
from tfdgan.distributed.horovod import hvd, is_loaded
from tfdgan.errors import UserError


class Place(NamedTuple):
    """Which learner of how many this process is, in all and on its host."""

    rank: int
    size: int
    local_rank: int
    local_size: int


_ALONE = Place(0, 1, 0, 1)
_CYCLE, _SLOW = "HOROVOD_CYCLE_TIME", "5"  # ms
_place: Place | None = None  # known since the start, also after Horovod has ended
_address: str | None = None  # by which the others see this host, where they have met without Horovod
_is_ours = False  # Horovod was started here, and may be ended here


def start(process_sets: bool = False, in_steps: bool = True, *, horovod: bool = True) -> None:
    """Initialise Horovod, and take this learner's share of the machine. Safe to call again.

    Each learner takes one GPU, by its local rank, and the GPU's memory as needed. On CPU it runs as many threads as its
    share of the cores, at least one, unless TF_NUM_INTRAOP_THREADS says otherwise.

    One learner without a launcher trains without Horovod where there is no network interface, since Horovod needs one.

    Args:
      process_sets: whether process sets will be made later (gossip backend horovod_pairs). Allowing them doubles the
        time of every small collective, since each of Horovod's cycles then agrees on the sets too.
      in_steps: whether training steps wait for Horovod's collectives. Its background threads talk to each other once a
        cycle, whether or not there is anything to do: every 1 ms, or every 5 ms where no step waits for them.
      horovod: False if one learner without a launcher does without Horovod in any case.
    """
    global _is_ours
    if _address or has_horovod():
        return
    if launch.is_alone() and not (horovod and _has_interface()):
        _be(_place or _ALONE)
        return
    # Otherwise timing decides which tensors are reduced together, and so the order of sums: runs would not repeat.
    os.environ.setdefault("HOROVOD_DISABLE_GROUP_FUSION", "1")
    if not in_steps:
        os.environ.setdefault(_CYCLE, _SLOW)
    elif os.environ.get(_CYCLE) == _SLOW and _place:  # of an earlier run of this process
        del os.environ[_CYCLE]
    os.environ["HOROVOD_DYNAMIC_PROCESS_SETS"] = "1" if process_sets else "0"
    hvd.init()
    _is_ours = True
    _be(Place(hvd.rank(), hvd.size(), hvd.local_rank(), hvd.local_size()))


def take_place(place: Place, address: str) -> None:
    """Be a learner without Horovod, as the learners have agreed when they met.

    Args:
      address: by which the others see this host, in digits.
    """
    global _address
    _address = address
    _be(place)


def met_at() -> str | None:
    """The address by which the others see this host, in digits; None if they have not met without Horovod."""
    return _address


def has_horovod() -> bool:
    """True while Horovod runs."""
    return is_loaded() and hvd.is_initialized()


def leave_horovod() -> None:
    """End Horovod, which no learner uses from now on; this learner stays who it is.

    Horovod's threads talk to each other at every cycle, and all learners' end noisily with any of them. All learners
    call this, after everybody's last collective. A Horovod that somebody else has started is left alone.
    """
    if _is_ours and has_horovod():
        hvd.shutdown()


def rank() -> int:
    """This learner's number, 0 to `size()` - 1."""
    return _here().rank


def size() -> int:
    """The number of learners."""
    return _here().size


def local_rank() -> int:
    """This learner's number among those of its host."""
    return _here().local_rank


def local_size() -> int:
    """The number of learners on this host."""
    return _here().local_size


def allows_process_sets() -> bool:
    """True if Horovod was started so that process sets can be made."""
    return os.environ.get("HOROVOD_DYNAMIC_PROCESS_SETS") == "1"


def threads() -> tuple[int, int]:
    """(intra-op, inter-op) threads; sums inside convolutions repeat bit for bit at equal numbers only."""
    return (
        tf.config.threading.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )


def _has_interface() -> bool:
    """True if this host has an address, be it the loopback interface's."""
    families = (socket.AF_INET, socket.AF_INET6)
    return any(address.family in families for found in psutil.net_if_addrs().values() for address in found)


def _here() -> Place:
    if _place:
        return _place
    if not has_horovod():  # somebody may have started it without `start`
        raise UserError("Horovod has not been started: call tfdgan.start() first")
    return Place(hvd.rank(), hvd.size(), hvd.local_rank(), hvd.local_size())


def _be(place: Place) -> None:
    global _place
    first, _place = _place is None, place
    if not first:
        return
    try:
        _take_share(place)
    except RuntimeError:  # TensorFlow is in use already, so its devices and threads are fixed
        warnings.warn(
            "tfdgan.start() came after TensorFlow's first use: this learner takes all cores and all GPUs; "
            "call it before building models",
            stacklevel=3,
        )


def _take_share(place: Place) -> None:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        mine = gpus[place.local_rank % len(gpus)]
        tf.config.set_visible_devices(mine, "GPU")
        tf.config.experimental.set_memory_growth(mine, True)
    if "TF_NUM_INTRAOP_THREADS" not in os.environ:
        count = max(1, len(os.sched_getaffinity(0)) // place.local_size)
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
