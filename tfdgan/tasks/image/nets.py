"""The nets that image options name."""

from collections.abc import Callable
from typing import Any

import keras

from tfdgan.errors import UserError
from tfdgan.models import building, ct_resnet, dcgan, mlp, r3gan, resnet, sagan
from tfdgan.options import references
from tfdgan.tasks.image.options import ImageOptions

Pair = tuple[keras.Model, keras.Model]


def build(options: ImageOptions, sample_shape: tuple[int, ...], classes: int | None) -> Pair:
    """The generator (latents [n, latent_size] -> samples) and the critic (samples -> scores [n, 1]).

    Initial weights are drawn from the seed alone, so they are equal on every learner.

    Args:
      options: which nets, and their sizes.
      sample_shape: of one sample.
      classes: how many there are, for conditional nets.

    Raises:
      UserError: the nets are made for images, and the samples are none, or have their channels first.
    """
    name, labels = options.model, [classes] if classes else []
    if name != "mlp" and not references.is_reference(name):
        _check_are_images(name, sample_shape)
    factory = references.load("model", name) if references.is_reference(name) else _named(options)
    with building.built(options.precision, options.seed):
        generator, critic = building.call_factory(name, factory, options, sample_shape, *labels)
        building.check_pair(generator, critic, (options.latent_size,), sample_shape, classes)
    return generator, critic


def build_classifier(options: ImageOptions, critic: keras.Model) -> keras.Model:
    """A net of the critic's architecture, with weights of its own: samples -> logits [n, 1] of being real.

    The critic's augmentation is left out: the ratio is asked for of images as they are.
    """
    with building.built(options.precision, options.seed + 1):
        if options.model == "ct_resnet":
            return ct_resnet.classifier(critic, options.width_d, options.initial_weights)
        return building.clone_as_classifier(critic)


def _check_are_images(model: str, shape: tuple[int, ...]) -> None:
    if len(shape) == 1:
        raise UserError(f"--model={model}: made for images, not for points of {shape[0]} numbers; use --model=mlp")
    if len(shape) != 3:
        raise UserError(
            f"--model={model}: made for images, not for samples {shape}; give grey images a channel (x[..., None]), "
            "or use --model=mlp"
        )
    if shape[0] in (1, 3) and shape[2] not in (1, 3):
        raise UserError(f"--model={model}: {shape} has the channels first; give them last (np.moveaxis(x, 1, -1))")


def _named(options: ImageOptions) -> Callable[..., Pair]:
    """A factory (options, sample_shape, classes) for the architecture's name."""
    sizes: dict[str, Any] = dict(latent_size=options.latent_size, width_g=options.width_g, width_d=options.width_d)
    seen: dict[str, Any] = dict(**sizes, augment=options.augmentations)
    normalized: dict[str, Any] = dict(spectral_normalization=options.spectral_normalization)
    builders: dict[str, Callable[..., Pair]] = {
        "dcgan": lambda _, shape: dcgan.build(shape, **seen),
        "mlp": lambda _, shape: mlp.build(shape, **sizes),
        "ct_resnet": lambda _, shape: ct_resnet.build(shape, **seen, initial_weights=options.initial_weights),
        "resnet": lambda _, shape, classes=None: resnet.build(shape, **seen, classes=classes, **normalized),
        "sagan": lambda _, shape, classes=None: sagan.build(shape, **seen, classes=classes),
        "r3gan": lambda _, shape: r3gan.build(shape, **seen),
    }
    return builders[options.model]
