"""The generator as a Keras file, which Keras loads by itself, or with the modules of its layers."""

import os
import re
from collections.abc import Iterator

import keras
import numpy as np

from tfdgan.tasks.base import Sampler
from tfdgan.training.trainer import SEED_STATE

NAME = "generator.keras"


def write(sampler: Sampler, folder: str) -> str | None:
    """Write the sampler's generator, under its weights, to `folder`; the generator's variables become these weights.

    The file is read again before it counts. Returns why there is no file, in words; None if there is one.
    """
    path = os.path.join(folder, NAME)
    generator, given = sampler.generator, [*sampler.trainable, *sampler.non_trainable]
    names = [variable.name for variable in _variables(generator)]
    for variable, value in zip(_variables(generator), given, strict=True):
        variable.assign(value)
    try:
        generator.save(path)
        stored = _variables(keras.saving.load_model(path, compile=False))
    except Exception as error:  # whatever the layers of a user's own model raise
        _remove(path)
        return f"Keras cannot save and load this model ({_reason(error)})"
    same = len(stored) == len(given) and all(
        np.array_equal(variable, value)
        for name, variable, value in zip(names, stored, given, strict=True)
        if name != SEED_STATE  # Keras leaves out the states of random numbers
    )
    if not same:
        _remove(path)
        return "the model that Keras loads from its own file has other weights; a layer may not say all in get_config"
    return None


def _reason(error: Exception) -> str:
    """What to do about it, in a line, of Keras' page."""
    text = str(error)
    if unknown := re.search(r"Could not locate class '(\w+)'", text):
        return f"decorate {unknown[1]} with keras.saving.register_keras_serializable()"
    if mute := re.search(r"Object (\w+) was created by passing", text):
        return f"give {mute[1]} a get_config and a from_config"
    first = next(iter(text.strip().splitlines()), "")
    return f"{type(error).__name__}: {first[:200]}"


def modules(generator: keras.Model) -> list[str]:
    """The modules that have to be imported before the file is loaded: those of layers that are not Keras' own."""
    names = {type(layer).__module__ for layer in _nested(generator)}
    return sorted(name for name in names if name.split(".")[0] != "keras")


def _nested(layer: keras.Layer) -> Iterator[keras.Layer]:
    """A layer, and those of a model, and of models in it."""
    yield layer
    for part in layer.layers if isinstance(layer, keras.Model) else ():
        yield from _nested(part)


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)
