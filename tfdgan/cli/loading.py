"""TensorFlow and Keras as a command loads them: they say nothing of themselves, and import no more than it may use."""

import importlib
import sys

from tfdgan.cli import quiet

# Keras imports them wherever they are installed, for its scikit-learn wrappers and its picture galleries.
_UNUSED = ("sklearn", "matplotlib")


def load_tensorflow(whole: bool = True) -> None:
    """Import TensorFlow and Keras, unless TensorFlow is imported already.

    Args:
      whole: with `keras.wrappers` and `keras.visualization`, as the user's own code may need them. Without, these say
        that scikit-learn and matplotlib are missing; an import of either finds it all the same. It saves a process a
        third of the time to load and some 85 MB.
    """
    if "tensorflow" in sys.modules:
        return
    hidden = [name for name in _UNUSED if not whole and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # whose imports now raise ImportError
    try:
        with quiet.screened():
            for name in ("tensorflow", "keras"):
                importlib.import_module(name)
    finally:
        for name in hidden:
            if name in sys.modules and sys.modules[name] is None:
                del sys.modules[name]
