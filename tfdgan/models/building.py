"""Building models: their precision and seed, a user's factory, whether generator and critic fit together."""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from tfdgan.errors import UserError
from tfdgan.models.augmentation import Augmentation

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@contextlib.contextmanager
def built(precision: str, seed: int) -> Iterator[None]:
    """A context in which models are built: all learners' models begin with the same weights.

    Sets the global random seed, and for the time of the context Keras' dtype policy.

    Args:
      precision: "float32" or "bfloat16"; under bfloat16 weights stay float32.
      seed: initial weights are drawn from the seed alone.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    keras.utils.set_random_seed(seed % 2**32)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def call_factory(name: str, factory: Any, *arguments: Any) -> tuple[keras.Model, keras.Model]:
    """The (generator, critic) that factory(*arguments) returns.

    Args:
      name: what `--model` names the factory by, for errors.
      factory: a function; anything else is refused.

    Raises:
      UserError: the factory is not a function, fails, or returns anything but two Keras models.
    """
    if not callable(factory):
        raise UserError(f"--model={name}: is a {type(factory).__name__}, not a function")
    models = _called(name, factory, arguments)
    try:
        generator, critic = models
        if not (isinstance(generator, keras.Model) and isinstance(critic, keras.Model)):
            raise TypeError
    except (TypeError, ValueError) as error:
        raise UserError(f"--model={name}: must return (generator, critic), two Keras models, not {models!r:.80}") from (
            error
        )
    return generator, critic


def _called(name: str, factory: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    try:
        return factory(*arguments)
    except UserError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(f"--model={name}: {type(error).__name__}: {error} ({at.filename}, line {at.lineno})") from error


def clone_as_classifier(critic: keras.Model) -> keras.Model:
    """A net of the critic's architecture with new weights: samples -> logits [n, 1] that they are real.

    Augmentation is left out.

    Raises:
      UserError: Keras cannot clone the critic.
    """
    try:
        return keras.models.clone_model(critic, clone_function=_clone)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UserError(
            f"--ratio_clipping: the critic cannot be made anew as a classifier ({_reason(error)[:200]}); "
            "build it as a functional or sequential Keras model"
        ) from error


def _clone(layer: keras.Layer) -> keras.Layer:
    return (
        keras.layers.Identity() if isinstance(layer, Augmentation) else layer.__class__.from_config(layer.get_config())
    )


def check_pair(
    generator: keras.Model,
    critic: keras.Model,
    latent_shape: Sequence[int],
    sample_shape: Sequence[int],
    classes: int | None = None,
) -> None:
    """Raise `UserError` unless latents -> samples -> scores fits together. Builds both models.

    Args:
      generator: latents [n, *latent_shape] -> samples [n, *sample_shape].
      critic: samples -> scores [n] or [n, 1].
      classes: how many, if both models take labels int32 [n] as a second input; None if they take none.
    """

    def inputs(x: Any) -> Any:
        return [x, keras.ops.zeros((2,), "int32")] if classes else x

    try:
        made = generator(inputs(keras.ops.zeros((2, *latent_shape))))
    except ValueError as error:
        reason, size = _reason(error), "x".join(map(str, latent_shape))
        raise UserError(f"generator: does not take latents of size {size} ({reason[:200]})") from error
    if tuple(made.shape[1:]) != tuple(sample_shape):
        raise UserError(
            f"generator: makes samples of shape {tuple(made.shape[1:])}, but the data has {tuple(sample_shape)}"
        )
    try:
        scores = critic(inputs(made))
    except ValueError as error:
        reason = _reason(error)
        raise UserError(f"critic: does not take samples of shape {tuple(sample_shape)} ({reason[:200]})") from error
    if tuple(scores.shape) not in ((2,), (2, 1)):
        raise UserError(
            f"critic: gives scores of shape {tuple(scores.shape)} for 2 samples; make it one score a sample"
        )


def _reason(error: Exception) -> str:
    """What Keras says in the middle of a long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "xpected" in line or "ncompatible" in line), lines[0])


def check_kind(name: str, task: str, role: str, model: keras.Model, kind: type[keras.Model]) -> None:
    """Raise `UserError` unless a model is of the kind that its trainer needs.

    Args:
      name: what `--model` names the pair by.
      task: what `--task` is.
      role: generator or critic.
      model: as the factory returned it.
      kind: the class that it must have or inherit from.
    """
    if not isinstance(model, kind):
        raise UserError(
            f"--model={name}: the {role} is a {type(model).__name__}; for --task={task} it must be a "
            f"{kind.__module__}.{kind.__name__}, your own may inherit from it"
        )
