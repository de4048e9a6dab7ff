"""Starting Horovod; this learner's rank, and its share of the machine."""

import os
import warnings

import horovod.tensorflow as hvd
import tensorflow as tf

from tfdgan.errors import UserError


def start(process_sets: bool = False, in_steps: bool = True) -> None:
    """Initialise Horovod, and take this learner's share of the machine. Safe to call again.

    Each learner takes one GPU, by its local rank, and the GPU's memory as needed. On CPU it runs as many threads as its
    share of the cores, at least one, unless TF_NUM_INTRAOP_THREADS says otherwise.

    Args:
      process_sets: whether process sets will be made later (gossip backend horovod_pairs). Allowing them doubles the
        time of every small collective, since each of Horovod's cycles then agrees on the sets too.
      in_steps: whether training steps wait for Horovod's collectives. Its background threads talk to each other once a
        cycle, whether or not there is anything to do: every 1 ms, or every 5 ms where no step waits for them.
    """
    if hvd.is_initialized():
        return
    # Otherwise timing decides which tensors are reduced together, and so the order of sums: runs would not repeat.
    os.environ.setdefault("HOROVOD_DISABLE_GROUP_FUSION", "1")
    if not in_steps:
        os.environ.setdefault("HOROVOD_CYCLE_TIME", "5")
    os.environ["HOROVOD_DYNAMIC_PROCESS_SETS"] = "1" if process_sets else "0"
    hvd.init()
    try:
        _take_share()
    except RuntimeError:  # TensorFlow is in use already, so its devices and threads are fixed
        warnings.warn(
            "tfdgan.start() came after TensorFlow's first use: this learner takes all cores and all GPUs; "
            "call it before building models",
            stacklevel=2,
        )


def rank() -> int:
    """This learner's number, 0 to `size()` - 1."""
    _check_started()
    return hvd.rank()


def size() -> int:
    """The number of learners."""
    _check_started()
    return hvd.size()


def allows_process_sets() -> bool:
    """True if Horovod was started so that process sets can be made."""
    return os.environ.get("HOROVOD_DYNAMIC_PROCESS_SETS") == "1"


def threads() -> tuple[int, int]:
    """(intra-op, inter-op) threads; sums inside convolutions repeat bit for bit at equal numbers only."""
    return (
        tf.config.threading.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )


def _check_started() -> None:
    if not hvd.is_initialized():
        raise UserError("Horovod has not been started: call tfdgan.start() first")


def _take_share() -> None:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        mine = gpus[hvd.local_rank() % len(gpus)]
        tf.config.set_visible_devices(mine, "GPU")
        tf.config.experimental.set_memory_growth(mine, True)
    if "TF_NUM_INTRAOP_THREADS" not in os.environ:
        count = max(1, len(os.sched_getaffinity(0)) // hvd.local_size())
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
