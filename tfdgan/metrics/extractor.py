"""Feature extractors: the contract, and the one that is read from a SavedModel. Nothing is downloaded."""

import abc
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.metrics import inception

_OUTPUTS = {"pool_3", "logits"}
_INCEPTION_NAMES = {"FD": "FID", "KD": "KID", "IS": "IS"}


class Extractor(abc.ABC):
    """Features that images are compared by: float32 [n, h, w, c] in [-1, 1] -> {"pool_3": [n, d], "logits": [n, k]}.

    Attributes:
      name: stands in the names of scores.
      digest: 8 hex digits; extractors whose outputs may differ have different ones.
      side: the side of images that the extractor was made for; None if it takes any.
    """

    name: str
    digest: str
    side: int | None

    @abc.abstractmethod
    def __call__(self, images: Any) -> Mapping[str, tf.Tensor]:
        """Features "pool_3" float [n, d] and "logits" float [n, k] of images, resized to `side` first.

        Raises:
          TypeError: images of a shape that the extractor does not take.
        """

    def named(self, kind: str) -> str:
        """The name of a score by these features, "FD", "KD", "IS" or another: with the extractor's own name."""
        return f"{kind} ({self.name})"

    def resize(self, shape: Sequence[int]) -> str:
        """How images of `shape` [..., h, w, c] are resized, as words for signatures."""
        size = "x".join(map(str, shape[-3:]))
        return f"bilinear, {size} to side {self.side}" if self.resizes(shape) else f"none, {size}"

    def resizes(self, shape: Sequence[int]) -> bool:
        """Whether images of `shape` [..., h, w, c] are resized."""
        return self.side is not None and tuple(shape[-3:-1]) != (self.side, self.side)

    def sizes(self, sample_shape: Sequence[int]) -> tuple[int, int]:
        """(d, k), the lengths of pool_3 and logits, for samples of a shape."""
        outputs = self(tf.zeros([1, *sample_shape]))
        return outputs["pool_3"].shape[-1], outputs["logits"].shape[-1]


class SavedModelExtractor(Extractor):
    """The extractor of a SavedModel on disk. Resizing is bilinear without antialiasing, as TF-GAN does it.

    `name` is the folder's name, `digest` a hash over graph and weights, or of what tools/convert_inception.py has noted
    down. Scores are named FID, KID and IS if, and only
    if, the weights are the known ones (`inception.KNOWN_SHA256`).

    Args:
      path: a SavedModel; callable itself, or with a signature serving_default.

    Raises:
      UserError: no such SavedModel.
    """

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(os.path.normpath(path))
        try:
            self.digest = _digest(path)
            self._loaded = tf.saved_model.load(path)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"--inception={path}: not a readable SavedModel ({str(error).splitlines()[0][:150]})"
            ) from error
        signature = self._loaded.signatures.get("serving_default")
        self._function = self._loaded if callable(self._loaded) else signature
        if self._function is None:
            raise UserError(f"--inception={path}: neither callable nor with a signature serving_default")
        functions = [signature] if signature else self._loaded.__call__.concrete_functions
        self.side = next(filter(None, map(_side, functions)), None)
        stated = getattr(self._loaded, "weights_sha256", None)
        self._inception = ""  # the hash of the weights' file
        if isinstance(stated, tf.Variable) and stated.dtype == tf.string:
            self._inception = stated.numpy().decode()
            # The same for each conversion, whatever TensorFlow writes into the graph.
            self.digest = hashlib.sha256(f"{inception.VERSION} {self._inception}".encode()).hexdigest()[:8]

    def named(self, kind: str) -> str:
        if self._inception == inception.KNOWN_SHA256 and kind in _INCEPTION_NAMES:
            return _INCEPTION_NAMES[kind]
        return super().named(kind)

    def resize(self, shape: Sequence[int]) -> str:
        if self._inception:
            return f"to bytes, then TensorFlow 1's bilinear, {'x'.join(map(str, shape[-3:]))} to side {inception.SIDE}"
        return super().resize(shape)

    def __call__(self, images: Any) -> Mapping[str, tf.Tensor]:
        images = tf.constant(images)
        if self.resizes(images.shape):
            images = tf.image.resize(images, [self.side, self.side])
        try:
            outputs = self._function(images)
        except (ValueError, tf.errors.InvalidArgumentError) as error:  # a signature that does not take this shape
            raise TypeError(f"extractor {self.name} does not take {images.shape}") from error
        missing = _OUTPUTS - set(outputs)
        if missing:
            raise UserError(
                f"extractor {self.name}: has no output {', '.join(sorted(missing))}, only {', '.join(sorted(outputs))}"
            )
        return outputs


def save(model: keras.Model, path: str) -> None:
    """Write a Keras model, images [n, side, side, c] -> (features [n, d], logits [n, k]), as an extractor."""

    spec = tf.TensorSpec([None, *model.inputs[0].shape[1:]], tf.float32, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        pool, logits = model(images, training=False)
        return {"pool_3": pool, "logits": logits}

    module = tf.Module()
    module.model, module.serve = model, serve
    tf.saved_model.save(module, path, signatures={"serving_default": serve})


def _side(function: Any) -> int | None:
    """The width of images that a concrete function is fixed to, or None."""
    specs = [spec for spec in tf.nest.flatten(function.structured_input_signature) if isinstance(spec, tf.TensorSpec)]
    return next((spec.shape[2] for spec in specs if spec.shape.rank == 4), None)


def _digest(path: str) -> str:
    """8 hex digits of a hash over the graph and the weights."""
    variables = os.path.join(path, "variables")
    shards = sorted(os.listdir(variables)) if os.path.isdir(variables) else []
    files = [os.path.join(path, "saved_model.pb"), *(os.path.join(variables, name) for name in shards)]
    total = hashlib.sha256()
    for name in files:
        with open(name, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:8]
