"""A small multilayer perceptron for points: three hidden layers in each net."""

import keras
from keras import layers

_HIDDEN = 3


def build(config, sample_shape):
    """Generator [n, latent_size] -> [n, *sample_shape]; critic back to [n, 1]."""
    generator = keras.Sequential([keras.Input((config.latent_size,))], name="generator")
    for _ in range(_HIDDEN):
        generator.add(layers.Dense(config.width_g, activation="relu", kernel_initializer="he_normal"))
    size = 1
    for side in sample_shape:
        size *= side
    generator.add(layers.Dense(size, dtype="float32"))
    generator.add(layers.Reshape(sample_shape, dtype="float32"))

    critic = keras.Sequential([keras.Input(sample_shape), layers.Flatten()], name="critic")
    for _ in range(_HIDDEN):
        critic.add(layers.Dense(config.width_d, activation="relu", kernel_initializer="he_normal"))
    critic.add(layers.Dense(1, dtype="float32"))
    return generator, critic
