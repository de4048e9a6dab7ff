"""The exported folder: a SavedModel, and what is written beside it before anybody sees the folder."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfdgan.errors import UserError


def check_free(path: str) -> None:
    """Raise `UserError` if there is something at `path`."""
    if os.path.exists(path):
        raise UserError(f"--output={path}: exists already; choose a new folder")


def write(
    module: tf.Module, signatures: Mapping[str, Any], path: str, beside: Sequence[Callable[[str], None]] = ()
) -> None:
    """Write a module as a SavedModel to the new folder `path`.

    Args:
      signatures: {name: concrete function} of the module.
      beside: functions of a folder that write more files into it. The folder gets its name when all is written.

    Raises:
      UserError: there is something at `path`, or nothing can be written there.
    """
    check_free(path)
    folder = f"{os.path.normpath(path)}.{os.getpid()}.tmp"
    try:
        tf.saved_model.save(module, folder, signatures=dict(signatures))
        for written in beside:
            written(folder)
        os.replace(folder, path)
    except (OSError, tf.errors.OpError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message
        raise UserError(f"--output={path}: cannot be written ({str(reason)[:200]})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
