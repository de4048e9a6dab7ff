"""A program for a fresh process: load TensorFlow, Keras, all of training, and the native exchange where it is built."""

import os
import sys
from collections.abc import Iterator
from typing import Any

from tfdgan.cli.doctor import fresh


def _facts() -> Iterator[dict[str, Any]]:
    yield {"doing": "tensorflow"}
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    yield {"tensorflow": tf.__version__, "cuda": tf.test.is_built_with_cuda(), "gpus": gpus}
    yield {"doing": "keras"}
    import keras

    yield {"keras": keras.__version__, "backend": keras.backend.backend()}
    lost = [os.path.dirname(one.__file__) for one in (tf, keras) if not os.path.isfile(one.__spec__.cached or "")]
    yield {"without_bytecode": lost, "bytecode_is_off": sys.dont_write_bytecode}
    yield {"doing": "tfdgan"}
    import tfdgan.cli.fit  # noqa: F401
    from tfdgan.tasks import names

    for name in names.NAMES:
        names.task_class(name)
    yield {"doing": "exchange"}
    from tfdgan.gossip.native import build, library

    yield {"exchange": build.library_path(), "sealing": build.sealing_path()}
    if os.path.isfile(build.library_path()):
        library.functions()
        yield {"exchange_loads": True, "doing": "sealing"}
        if os.path.isfile(build.sealing_path()):
            yield {"sealing_loads": library.can_seal()}


if __name__ == "__main__":
    fresh.tell(_facts)
