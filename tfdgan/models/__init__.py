"""Architectures, one a file: (config, sample_shape) -> (generator, critic), both Keras models.

Conditional ones: (config, sample_shape, classes); both models then take labels int32 [n] as a second input.
"""

import contextlib
import importlib
import traceback

import keras

from tfdgan import factories
from tfdgan.errors import UserError
from tfdgan.models.rewriter import Rewriter
from tfdgan.models.sentences import SentenceGenerator
from tfdgan.models.style_critic import StyleCritic

_KINDS = {"text": (SentenceGenerator,), "style_transfer": (Rewriter, StyleCritic)}  # of a task's generator and critic
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build(config, sample_shape, classes=None):
    """The generator (latents [n, latent_size] -> samples) and the critic (samples -> scores [n, 1]).

    All learners start equal: initial weights are drawn from the seed alone.

    Args:
      config: a `Config`.
      sample_shape: of one sample.
      classes: how many there are, for conditional models.
    """
    with _built(config, config.seed):
        generator, critic = _made(config, sample_shape, [classes] if classes else [])
        _check_kinds(config, generator, critic)
        if config.task == "style_transfer":
            _check_sizes(config, generator, (*sample_shape, classes))
        else:
            latent_shape = sample_shape if config.task == "text" else (config.latent_size,)
            check_pair(generator, critic, latent_shape, sample_shape, classes)
    return generator, critic


def build_classifier(config, critic):
    """A net of the critic's architecture, with weights of its own: samples -> logits [n, 1] that they are real.

    An architecture that has a function `classifier(config, critic)` says itself what it is.
    """
    with _built(config, config.seed + 1):
        if config.model != "given" and not factories.is_reference(config.model):
            if factory := getattr(_architecture(config.model), "classifier", None):
                return factory(config, critic)
        try:
            return keras.models.clone_model(critic)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise UserError(
                f"--ratio_clipping: the critic cannot be made anew as a classifier ({_reason(error)[:200]}); "
                "build it as a functional or sequential Keras model"
            ) from error


@contextlib.contextmanager
def _built(config, seed):
    """Models are built at the experiment's precision, from a seed."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[config.precision])
    keras.utils.set_random_seed(seed % 2**32)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _architecture(name):
    return importlib.import_module(f"tfdgan.models.{name}")


def _made(config, sample_shape, classes):
    """What the model's factory returns, if it is two Keras models."""
    if factories.is_reference(config.model):
        factory = factories.load("model", config.model)
    else:
        factory = _architecture(config.model).build
    if not callable(factory):
        raise UserError(f"--model={config.model}: is a {type(factory).__name__}, not a function")
    try:
        models = factory(config, sample_shape, *classes)
    except UserError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"--model={config.model}: {type(error).__name__}: {error} ({at.filename}, line {at.lineno})"
        ) from error
    try:
        generator, critic = models
        if not (isinstance(generator, keras.Model) and isinstance(critic, keras.Model)):
            raise TypeError
    except (TypeError, ValueError) as error:
        raise UserError(
            f"--model={config.model}: must return (generator, critic), two Keras models, not {models!r:.80}"
        ) from error
    return generator, critic


def _check_kinds(config, *pair):
    """Raise `UserError` unless models of sentences are such as their trainers need."""
    for role, model, kind in zip(("generator", "critic"), pair, _KINDS.get(config.task, ()), strict=False):
        if not isinstance(model, kind):
            raise UserError(
                f"--model={config.model}: the {role} is a {type(model).__name__}; for --task={config.task} it must be "
                f"a {kind.__module__}.{kind.__name__}, your own may inherit from it"
            )


def _check_sizes(config, rewriter, wanted):
    sizes = rewriter.length, rewriter.vocabulary, rewriter.styles
    if sizes != wanted:
        raise UserError(
            f"--model={config.model}: rewrites sentences of (length, vocabulary, styles) {sizes}, the data has {wanted}"
        )


def check_pair(generator, critic, latent_shape, sample_shape, classes=None):
    """Raise `UserError` unless latents -> samples -> scores fits together. Builds both models."""

    def inputs(x):
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


def _reason(error):
    """What Keras says in the middle of a long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "xpected" in line or "ncompatible" in line), lines[0])
