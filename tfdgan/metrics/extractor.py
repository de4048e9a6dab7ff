"""A feature extractor: a SavedModel on disk with outputs `pool_3` and `logits`. Nothing is downloaded."""

import hashlib
import os

import tensorflow as tf

from tfdgan.errors import UserError


class Extractor:
    """images float32 [n, h, w, c] in [-1, 1] -> {"pool_3": [n, d], "logits": [n, k]}.

    Args:
      path: a SavedModel; callable itself, or with a signature serving_default.

    Attributes:
      name: the folder's name.
      digest: 8 hex digits over graph and weights.
    """

    def __init__(self, path):
        self.name = os.path.basename(os.path.normpath(path))
        try:
            self.digest = _digest(path)
            self._loaded = tf.saved_model.load(path)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"--inception={path}: not a readable SavedModel ({str(error).splitlines()[0][:150]})"
            ) from error
        self._function = self._loaded if callable(self._loaded) else self._loaded.signatures.get("serving_default")
        if self._function is None:
            raise UserError(f"--inception={path}: neither callable nor with a signature serving_default")

    def __call__(self, images):
        try:
            outputs = self._function(tf.constant(images))
        except ValueError as error:  # a signature that does not take this shape
            raise TypeError(f"extractor {self.name} does not take {images.shape}") from error
        missing = {"pool_3", "logits"} - set(outputs)
        if missing:
            raise UserError(
                f"extractor {self.name}: has no output {', '.join(sorted(missing))}, only {', '.join(sorted(outputs))}"
            )
        return outputs


def _digest(path):
    """A hash of the graph and the weights."""
    variables = os.path.join(path, "variables")
    shards = sorted(os.listdir(variables)) if os.path.isdir(variables) else []
    files = [os.path.join(path, "saved_model.pb"), *(os.path.join(variables, name) for name in shards)]
    total = hashlib.sha256()
    for name in files:
        with open(name, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:8]
