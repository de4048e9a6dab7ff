"""Arrays by name in an .npz file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfdgan.storage import files


def write(path: str, arrays: Mapping[str, Any]) -> None:
    """Write {name: array} to an .npz file. An existing file is replaced only when all is written."""
    save: Any = np.savez  # NumPy's annotations take names of arrays for savez's own arguments
    with files.replacing(path) as file:
        save(file, **arrays)
