"""TensorBoard's files of a run, taken back to the step at which the run is taken up again."""

import contextlib
import os
import secrets
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.core.util import event_pb2


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what TensorFlow raises where a file cannot be written into `OSError`."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(str(error).splitlines()[0]) from error


def take_back(folder: str, step: int) -> None:
    """Drop what was logged after `step`, which training will log again.

    A file with such records ends at the first damaged one, as readers have it; other files stay as they are.
    """
    with disk_errors():
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if ".tfevents." in name:
                _take_back(os.path.join(folder, name), step)


def _take_back(path: str, step: int) -> None:
    if not any(event.step > step for _, event in _records(path)):
        return
    # TensorBoard reads no file of such a name.
    beside = os.path.join(os.path.dirname(path), f"taken-back.{secrets.token_hex(4)}.tmp")
    try:
        with tf.io.TFRecordWriter(beside) as writer:
            for record, event in _records(path):
                if event.step <= step:
                    writer.write(record)
        os.replace(beside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(beside)


def _records(path: str) -> Iterator[tuple[bytes, event_pb2.Event]]:
    """(bytes, event) of each whole record."""
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield record, event_pb2.Event.FromString(record)
    except tf.errors.DataLossError:  # a process that was killed has left half a record
        return
