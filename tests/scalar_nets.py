"""Nets of one weight, whose games can be played by hand."""

import keras


@keras.saving.register_keras_serializable(package="tests")
class Constant(keras.layers.Layer):
    """One weight u, whatever the latents."""

    def build(self, shape):
        self.u = self.add_weight(shape=(1,), initializer=keras.initializers.Constant(0.5))

    def call(self, latents):
        return keras.ops.zeros_like(latents[:, :1]) + self.u


def linear(start):
    """x -> w x, w = start."""
    weight = keras.initializers.Constant(start)
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=weight)])
