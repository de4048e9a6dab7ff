"""A program for a fresh process: load Horovod beside TensorFlow, and start it for one learner."""

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

from tfdgan.cli.doctor import fresh


def _facts() -> Iterator[dict[str, Any]]:
    yield {"doing": "tensorflow"}
    importlib.import_module("tensorflow")
    yield {"doing": "horovod"}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        hvd = importlib.import_module("horovod.tensorflow")
    mismatch = [str(one.message) for one in said if "installed with version" in str(one.message)]
    yield {"mismatch": mismatch[0].splitlines()[0] if mismatch else "", "gloo": bool(hvd.gloo_built())}
    yield {"mpi": bool(hvd.mpi_built()), "doing": "start"}
    hvd.init()
    yield {"size": hvd.size()}
    hvd.shutdown()


if __name__ == "__main__":
    fresh.tell(_facts)
