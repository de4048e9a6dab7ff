"""The generator as a TFLite file, for telephones and small machines."""

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfdgan.errors import UserError

NAME = "generator.tflite"
_SIGNATURE = "serving_default"


def convert(module: tf.Module, signatures: Mapping[str, Any]) -> bytes:
    """The signature serving_default of an exported module as a TFLite model, float32.

    Args:
      signatures: {name: concrete function} of the module.

    Raises:
      UserError: there is no such signature, or TFLite does not know one of its operations.
    """
    function = signatures.get(_SIGNATURE)
    if function is None:
        raise UserError("--tflite: what this task exports goes from text to text or draws by itself; leave it out")
    try:
        return tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
    except Exception as error:  # the converter has its own kinds, which are not public
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if "error:" in line or "custom op" in line.lower()), lines[0])
        raise UserError(f"--tflite: this generator does not convert ({reason[:200]}); leave it out") from error


def write(model: bytes, folder: str) -> None:
    """Write what `convert` returned to `folder`."""
    with open(os.path.join(folder, NAME), "wb") as file:
        file.write(model)
