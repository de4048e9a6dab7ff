"""A small multilayer perceptron for points: three hidden layers in each net."""

import math

import keras
from keras import layers

_HIDDEN = 3


def build(
    sample_shape: tuple[int, ...], *, latent_size: int, width_g: int, width_d: int
) -> tuple[keras.Model, keras.Model]:
    """Generator [n, latent_size] -> [n, *sample_shape]; critic [n, *sample_shape] -> [n, 1].

    Args:
      width_g, width_d: units of the hidden layers of generator and critic.
    """
    generator = keras.Sequential([keras.Input((latent_size,))], name="generator")
    for _ in range(_HIDDEN):
        generator.add(layers.Dense(width_g, activation="relu", kernel_initializer="he_normal"))
    generator.add(layers.Dense(math.prod(sample_shape), dtype="float32"))
    generator.add(layers.Reshape(sample_shape, dtype="float32"))

    critic = keras.Sequential([keras.Input(sample_shape), layers.Flatten()], name="critic")
    for _ in range(_HIDDEN):
        critic.add(layers.Dense(width_d, activation="relu", kernel_initializer="he_normal"))
    critic.add(layers.Dense(1, dtype="float32"))
    return generator, critic
