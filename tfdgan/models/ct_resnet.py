"""The CIFAR-10 pair of the ratio-clipping paper, which is that of CT-GAN's script: for images of side 32.

Wei et al., "Improving the Improved Training of Wasserstein GANs", ICLR 2018; Wu et al., "Improving GAN Training with
Probability Ratio Clipping and Sample Reweighting", NeurIPS 2020. With --width_g=256 --width_d=332 theirs: 4.08 and
7.07 million parameters. Dropout is on in every training pass, penalty and generator step included.
"""

import keras
from keras import layers

from tfdgan.models import blocks

_DROPOUT = (0.2, 0.5, 0.5)  # after the second, third and fourth block


def build(config, sample_shape):
    """Generator [n, latent_size] -> [n, 32, 32, channels]; critic back to [n, 1]; its layer `features`: [n, width]."""
    blocks.square_side("ct_resnet", sample_shape, (32,))
    parts = blocks.Parts(False, "he_uniform")
    return (
        _generator(config.latent_size, sample_shape[-1], config.width_g, parts),
        _critic(sample_shape, config.width_d, parts),
    )


def _generator(latent_size, channels, width, parts):
    latents = keras.Input((latent_size,))
    x = layers.Reshape((4, 4, width))(parts.dense(4 * 4 * width)(latents))
    for _ in range(3):  # 8, 16, 32
        x = blocks.up_block(x, width, parts, project=False)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(parts.conv(channels)(x)), name="generator")


def classifier(config, critic):
    """The critic with batch norm in the last three blocks, no dropout: [n, 32, 32, channels] -> logits [n, 1]."""
    parts = blocks.Parts(False, "he_uniform")
    return _critic(tuple(critic.inputs[0].shape[1:]), config.width_d, parts, dropout=(0, 0, 0), norm=_quick_norm)


def _quick_norm(x):
    """Statistics that follow within some 10 updates: what is asked of the classifier is what it thinks now."""
    return layers.BatchNormalization(momentum=0.9)(x)


def _critic(sample_shape, width, parts, dropout=_DROPOUT, norm=None):
    images = keras.Input(sample_shape)
    x = blocks.first_down_block(images, width, parts)  # 16
    for rate, halves in zip(dropout, (True, False, False), strict=True):  # 8, 8, 8
        x = blocks.down_block(x, width, parts, halves, norm)
        x = layers.Dropout(rate)(x) if rate else x
    x = layers.GlobalAveragePooling2D(name="features", dtype="float32")(layers.ReLU()(x))
    return keras.Model(images, parts.dense(1, dtype="float32")(x), name="critic")
