"""What a run has logged for TensorBoard, read without TensorFlow."""

import os
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple


class Logged(NamedTuple):
    """One figure of a log. `time` is when it was written, in seconds since 1970."""

    name: str
    step: int
    value: float
    time: float


def logged(workdir: str, names: Collection[str] | None = None) -> Iterator[Logged]:
    """Every scalar of these names, or of all, in the order in which a run's training has written them.

    A file ends at the first record that is not whole: training is writing it, or was killed.
    """
    from tensorboard.util.tensor_util import make_ndarray

    for event in _events(workdir):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars" and (names is None or value.tag in names):
                yield Logged(value.tag, event.step, float(make_ndarray(value.tensor)), event.wall_time)


def scalars(workdir: str, *names: str) -> dict[str, list[tuple[int, float]]]:
    """{name: (step, value)s by step} of a run's scalars; of a step that was taken twice, the later."""
    found: dict[str, dict[int, float]] = {name: {} for name in names}
    for point in logged(workdir, names):
        found[point.name][point.step] = point.value
    return {name: sorted(points.items()) for name, points in found.items()}


def tags(workdir: str) -> list[str]:
    """The sorted names of a run's scalars."""
    return sorted({point.name for point in logged(workdir)})


def _events(workdir: str) -> Iterator[Any]:
    """The events of all files of a run's training, oldest file first: their names begin with the time."""
    folder = os.path.join(workdir, "tensorboard")
    if not os.path.isdir(folder):
        return
    # TensorBoard's own reader for where TensorFlow is not installed; its EventFileLoader would import TensorFlow.
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub import errors
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    for name in sorted(os.listdir(folder)):
        if ".tfevents." not in name:
            continue
        try:
            reader = PyRecordReader_New(os.path.join(folder, name))
            while True:
                reader.GetNext()
                yield Event.FromString(reader.record())
        except (errors.OutOfRangeError, errors.DataLossError, errors.NotFoundError):
            continue  # the end of the file; half a record; a file that has gone since it was listed
