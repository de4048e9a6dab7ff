"""TensorBoard's files of a run, taken back to the step at which the run is taken up again."""

import os
import shutil
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.core.util import event_pb2

from tfdgan.storage import files


def take_back(folder: str, step: int) -> None:
    """Drop what was logged after `step`, which training will log again; half a record at a file's end goes too."""
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if ".tfevents." in name:
            _take_back(os.path.join(folder, name), step)


def _take_back(path: str, step: int) -> None:
    if not _goes_beyond(path, step):
        return
    beside = f"{path}.kept"
    with tf.io.TFRecordWriter(beside) as writer:
        for record, event in _records(path):
            if event.step <= step:
                writer.write(record)
    with files.replacing(path) as file, open(beside, "rb") as kept:
        shutil.copyfileobj(kept, file)
    os.remove(beside)


def _goes_beyond(path: str, step: int) -> bool:
    return any(event.step > step for _, event in _records(path))


def _records(path: str) -> Iterator[tuple[bytes, event_pb2.Event]]:
    """(bytes, event) of each whole record."""
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield record, event_pb2.Event.FromString(record)
    except tf.errors.DataLossError:  # a process that was killed has left half a record
        return
