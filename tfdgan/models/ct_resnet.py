"""The CIFAR-10 nets of the ratio-clipping paper, which come from CT-GAN's script.

They are made for images of side 32; other sides are multiples of 8 from there on.

Wei et al., "Improving the Improved Training of Wasserstein GANs", ICLR 2018; Wu et al., "Improving GAN Training with
Probability Ratio Clipping and Sample Reweighting", NeurIPS 2020. width_g = 256 and width_d = 332 give the paper's nets,
of 4.08 and 7.07 million parameters. Dropout is on in every training pass, penalty and generator step included.

Kernels begin as He et al. have it, by the inputs; or, "released", as in the ratio-clipping paper's code: the critic's
3x3 kernels by the outputs, Xavier's for all 1x1 and dense kernels and for the generator's last.
"""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from tfdgan.errors import UserError
from tfdgan.models import blocks

_DROPOUT = (0.2, 0.5, 0.5)  # after the second, third and fourth block


def build(
    sample_shape: tuple[int, int, int],
    *,
    latent_size: int,
    width_g: int,
    width_d: int,
    initial_weights: str = "he",
    augment: Sequence[str] = (),
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> images [n, height, width, channels]; critic of images -> [n, 1].

    The critic's layer `features` gives [n, width_d].

    Args:
      sample_shape: (height, width, channels).
      width_g, width_d: channels of every layer of generator and critic.
      initial_weights: "he" or "released".
      augment: what the critic does to images first, as `augmentation.Augmentation` takes it; nothing by default.

    Raises:
      UserError: images of other sides, or other initial weights.
    """
    blocks.usual_side("ct_resnet", sample_shape, (32,))
    generator = _generator(latent_size, sample_shape, width_g, initial_weights)
    return generator, _critic(sample_shape, width_d, _layers_of_critic(initial_weights), augment)


def _layers_of_critic(initial_weights: str) -> blocks.LayerFactory:
    if initial_weights not in ("he", "released"):
        raise UserError(f"--initial_weights={initial_weights}: choose he or released")
    if initial_weights == "he":
        return blocks.LayerFactory(False, "he_uniform")
    by_outputs = {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"}
    return blocks.LayerFactory(False, {"class_name": "VarianceScaling", "config": by_outputs}, "glorot_uniform")


def _generator(latent_size: int, sample_shape: tuple[int, int, int], width: int, initial_weights: str) -> keras.Model:
    released = initial_weights == "released"
    make = blocks.LayerFactory(False, "he_uniform", "glorot_uniform" if released else None)
    last = blocks.LayerFactory(False, "glorot_uniform" if released else "he_uniform")
    latents = keras.Input((latent_size,))
    high, broad, channels = sample_shape[0] // 8, sample_shape[1] // 8, sample_shape[2]
    x = layers.Reshape((high, broad, width))(make.dense(high * broad * width)(latents))
    for _ in range(3):  # 8, 16, 32 of square images
        x = blocks.up_block(x, width, make, project=False)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(last.conv(channels)(x)), name="generator")


def classifier(critic: keras.Model, width_d: int, initial_weights: str = "he") -> keras.Model:
    """The critic's net with batch norm in the last three blocks and no dropout: images -> logits [n, 1].

    Args:
      critic: of `build`; only its inputs' shape is looked at.
      width_d, initial_weights: as `build` takes them.
    """
    make = _layers_of_critic(initial_weights)
    return _critic(tuple(critic.inputs[0].shape[1:]), width_d, make, (), (0, 0, 0), _quick_norm)


def _quick_norm(x: keras.KerasTensor) -> keras.KerasTensor:
    """Batch norm whose statistics follow the weights within some 10 updates.

    Between its updates the classifier is used in inference mode, so its statistics have to fit its present weights.
    """
    return layers.BatchNormalization(momentum=0.9)(x)


def _critic(
    sample_shape: tuple[int, int, int],
    width: int,
    make: blocks.LayerFactory,
    augment: Sequence[str],
    dropout: tuple[float, ...] = _DROPOUT,
    norm: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
) -> keras.Model:
    images, seen = blocks.images_input(sample_shape, augment)
    x = blocks.first_down_block(seen, width, make)  # 16
    for rate, halves in zip(dropout, (True, False, False), strict=True):  # 8, 8, 8
        x = blocks.down_block(x, width, make, halves, norm)
        x = layers.Dropout(rate)(x) if rate else x
    x = layers.GlobalAveragePooling2D(name="features", dtype="float32")(layers.ReLU()(x))
    return keras.Model(images, make.dense(1, dtype="float32")(x), name="critic")
