"""Writing an exported generator."""

import os
import shutil
from typing import Any

import tensorflow as tf

from tfdgan.errors import UserError


def write(module: Any, path: str) -> list[str]:
    """Write a tf.Module with `signatures()` as a SavedModel to the new folder `path`; returns the signatures' names.

    Raises `UserError` if there is something at `path`.
    """
    if os.path.exists(path):
        raise UserError(f"--output={path}: exists already; choose a new folder")
    beside = f"{os.path.normpath(path)}.{os.getpid()}.tmp"
    signatures = module.signatures()
    try:
        tf.saved_model.save(module, beside, signatures=signatures)
        os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sorted(signatures)
