"""DCGANs for 8 x 8 images with a choice of activation: `--model=small_dcgan:relu`, `--model=small_dcgan:leaky_relu`."""

import keras
from keras import layers


def relu(options, sample_shape):
    return _pair(options, sample_shape, layers.ReLU)


def leaky_relu(options, sample_shape):
    return _pair(options, sample_shape, lambda: layers.LeakyReLU(0.2))


def _pair(options, sample_shape, activation):
    """Generator [n, latent_size] -> [n, 8, 8, channels]; critic back to [n, 1]; one activation in both."""
    width, wide = options.width_g, options.width_d
    generator = keras.Sequential([keras.Input((options.latent_size,)), layers.Dense(2 * 2 * 2 * width, use_bias=False)])
    for layer in (
        *(layers.BatchNormalization(), activation(), layers.Reshape((2, 2, 2 * width))),
        *(layers.Conv2DTranspose(width, 5, strides=2, padding="same", use_bias=False),),  # 4
        *(layers.BatchNormalization(), activation()),
        *(layers.Conv2DTranspose(sample_shape[-1], 5, strides=2, padding="same", activation="tanh"),),  # 8
    ):
        generator.add(layer)
    critic = keras.Sequential([keras.Input(sample_shape)])
    for channels in (wide, 2 * wide):  # 4, 2
        critic.add(layers.Conv2D(channels, 5, strides=2, padding="same"))
        critic.add(activation())
    critic.add(layers.Flatten())
    critic.add(layers.Dense(1))
    return generator, critic
