"""Starting Horovod, and the few collectives used outside training steps."""

import contextlib
import os
import socket
import warnings

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf

from tfdgan.errors import SharedError, UserError

# Bytes of a message. With 8 learners 20 ms apart a collective takes some second, however small: one a tensor is too
# little. Gloo gives up on a broadcast that has not reached the last learner in 30 s: all in one is too much.
_MESSAGE = 2 << 20


def start(process_sets=False, in_steps=True):
    """Initialise Horovod, take this learner's share of the machine. Safe to call again.

    `process_sets`: whether process sets will be made later (gossip backend horovod_pairs); allowing them doubles
    the time of every small collective, since each of Horovod's cycles then agrees on the sets too.
    `in_steps`: whether training steps wait for Horovod's collectives. Where they do not, its background threads, which
    talk to each other once a cycle whether or not there is anything to do, do so every 5 ms instead of every one.

    One GPU a learner by local rank, its memory taken as needed. On CPU each learner gets its share of the
    cores as threads, one where learners outnumber cores, unless TF_NUM_INTRAOP_THREADS says otherwise.
    """
    if hvd.is_initialized():
        return
    # What is reduced together depends on timing otherwise, and with it the order of sums: runs would not repeat.
    os.environ.setdefault("HOROVOD_DISABLE_GROUP_FUSION", "1")
    if not in_steps:
        os.environ.setdefault("HOROVOD_CYCLE_TIME", "5")
    os.environ["HOROVOD_DYNAMIC_PROCESS_SETS"] = "1" if process_sets else "0"
    hvd.init()
    try:
        _take_share()
    except RuntimeError:  # TensorFlow has made something already and keeps its devices and threads
        warnings.warn(
            "tfdgan.distributed.start() came after TensorFlow's first use: this learner takes all cores and all GPUs; "
            "call it before building models",
            stacklevel=2,
        )


def allows_process_sets():
    """True if Horovod was started so that process sets can be made."""
    return os.environ.get("HOROVOD_DYNAMIC_PROCESS_SETS") == "1"


def _take_share():
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        mine = gpus[hvd.local_rank() % len(gpus)]
        tf.config.set_visible_devices(mine, "GPU")
        tf.config.experimental.set_memory_growth(mine, True)
    if "TF_NUM_INTRAOP_THREADS" not in os.environ:
        threads = max(1, len(os.sched_getaffinity(0)) // hvd.local_size())
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def threads():
    """(intra-op, inter-op) threads; sums inside convolutions repeat bit for bit at equal numbers only."""
    return (
        tf.config.threading.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )


_assembly = None


def gather_by(assembly):
    """Gather by an `Assembly` from now on, which names learners that are lost; None: by Horovod."""
    global _assembly
    _assembly = assembly


def ranks():
    """The learners whose values the functions below return, ascending."""
    return _assembly.ranks if _assembly else list(range(hvd.size()))


def lost():
    """{learner: why} of those that are no longer in `ranks()`."""
    return _assembly.lost if _assembly else {}


def gather(value, name):
    """[value of each learner in `ranks()`] for any picklable value, on every learner."""
    if _assembly:
        return _assembly.gather(value)
    return hvd.allgather_object(value, name=f"tfdgan.{name}") if hvd.size() > 1 else [value]


def gather_vector(vector, name):
    """float64 [len(ranks()), len(vector)] from every learner's float64 vector: one small message."""
    row = np.asarray(vector, np.float64)[np.newaxis]
    if _assembly:
        return np.concatenate(_assembly.gather(row))
    return hvd.allgather(tf.constant(row), name=f"tfdgan.{name}").numpy() if hvd.size() > 1 else row


def mean(arrays, name):
    """The mean over learners of each NumPy array, summed in float64, in its own type."""
    if _assembly:
        return _assembly.mean(arrays)
    return _totals(arrays, name, hvd.size())


def total(arrays, name):
    """The sum over learners of each NumPy array, taken in float64, in its own type."""
    if _assembly:
        return _assembly.total(arrays)
    return _totals(arrays, name, 1)


def _totals(arrays, name, divisor):
    """The sums in float64 by Horovod over `divisor`, each in its array's type. Memory beside them: a few messages."""
    found = []
    for index, group in enumerate(_messages(arrays)):
        sums = np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in group])
        if hvd.size() > 1:
            sums = hvd.allreduce(tf.constant(sums), op=hvd.Sum, name=f"tfdgan.total.{name}.{index}").numpy()
        parts = np.split(sums, np.cumsum([array.size for array in group])[:-1])
        found += [(p.reshape(array.shape) / divisor).astype(array.dtype) for p, array in zip(parts, group, strict=True)]
    return found


def broadcast_to_all(variables):
    """Give every learner rank 0's values. Memory: a copy of them all, and of a message some."""
    if hvd.size() == 1:
        return
    values = [np.array(tf.convert_to_tensor(variable)) for variable in variables]
    rows = [value.reshape(-1).view(np.uint8) for value in values]
    pieces = [row[begin : begin + _MESSAGE] for row in rows for begin in range(0, row.size, _MESSAGE)]
    for index, group in enumerate(_messages(pieces)):
        given = hvd.broadcast(tf.constant(np.concatenate(group)), root_rank=0, name=f"tfdgan.start.{index}").numpy()
        for piece, part in zip(group, np.split(given, np.cumsum([piece.size for piece in group])[:-1]), strict=True):
            piece[:] = part
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _messages(arrays):
    """The arrays in order, in lists of at most `_MESSAGE` bytes, or of one array."""
    groups, room = [], 0
    for array in arrays:
        if not groups or array.nbytes > room:
            groups.append([])
            room = _MESSAGE
        groups[-1].append(array)
        room -= array.nbytes
    return groups


@contextlib.contextmanager
def together():
    """Run a block on every learner; if it fails on any, all raise one `UserError` that names the learner.

    So a bad disk on one host ends the job with one line instead of leaving the others to wait for it.
    """
    problem = text = None
    try:
        yield
    except Exception as error:  # whatever it is, the others must hear of it before this learner goes
        problem, text = error, str(error) or type(error).__name__
        if not isinstance(error, UserError | OSError):
            text = f"{type(error).__name__}: {text}"
    found = gather((text, socket.gethostname()), "together")
    alike = len({message for message, _ in found}) == 1
    for rank, (message, host) in zip(ranks(), found, strict=True):
        if message is not None:
            raise SharedError(f"{message}{'' if alike else f' (learner {rank} on {host})'}") from problem
