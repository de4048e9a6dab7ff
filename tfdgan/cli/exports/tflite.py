"""The generator as a TFLite file, for telephones and small machines."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import tensorflow as tf

from tfdgan.errors import UserError

NAME = "generator.tflite"
_SIGNATURE = "serving_default"


def convert(module: tf.Module, signatures: Mapping[str, Any]) -> bytes:
    """The signature serving_default of an exported module as a TFLite model, float32, of one sample a call.

    With a batch of any length TFLite could not know the sides of maps that are enlarged.

    Args:
      signatures: {name: concrete function} of the module.

    Raises:
      UserError: there is no such signature, or TFLite does not know one of its operations.
    """
    function = signatures.get(_SIGNATURE)
    if function is None:
        raise UserError("--tflite: what this task exports goes from text to text or draws by itself; leave it out")
    arguments = tf.nest.flatten(function.structured_input_signature)
    specs = [
        tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, spec.name)
        for spec in arguments
        if isinstance(spec, tf.TensorSpec)
    ]

    @tf.function(input_signature=specs, autograph=False)
    def one(*inputs: tf.Tensor) -> Any:
        return function(**{spec.name: given for spec, given in zip(specs, inputs, strict=True)})

    with _standard_error() as said:  # of which the converter writes pages
        try:
            return tf.lite.TFLiteConverter.from_concrete_functions([one.get_concrete_function()], module).convert()
        except Exception as error:  # the converter has its own kinds, which are not public
            said.seek(0)
            operations = sorted(set(re.findall(r"'(tf\.\w+)' op", f"{error} {said.read()}")))
            reason = f"no operation of TFLite for {', '.join(operations)}" if operations else type(error).__name__
            raise UserError(f"--tflite: this generator does not convert ({reason}); leave it out") from error


def write(model: bytes, folder: str) -> None:
    """Write what `convert` returned to `folder`."""
    with open(os.path.join(folder, NAME), "wb") as file:
        file.write(model)


@contextlib.contextmanager
def _standard_error() -> Iterator[IO[str]]:
    """A context in which this process's standard error, C++'s too, goes to a file, which is given."""
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
