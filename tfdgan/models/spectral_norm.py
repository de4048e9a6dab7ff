"""Layers whose kernel W is divided by its largest singular value sigma, as a reparametrisation.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018. The trainable variable W keeps
its value: W / sigma is computed in each forward pass, and the gradient goes through sigma.
keras.layers.SpectralNormalization cannot be used: its forward pass writes W / sigma into the variable, while the
exchange between learners may be sending the variable.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

_SMALL = 1e-12


def power_iteration(W: tf.Tensor, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(v, u'): v = W u / |W u|, u' = W^T v / |W^T v|, for W [rows, columns] and u [columns]; no gradient."""
    v = _unit(ops.matmul(W, u))
    return ops.stop_gradient(v), ops.stop_gradient(_unit(ops.matmul(v, W)))


def _unit(x: tf.Tensor) -> tf.Tensor:
    return x / (ops.norm(x) + _SMALL)


class _Spectral(layers.Layer):
    """What spectral layers share. It is inherited before a Keras layer that has a kernel.

    Attributes:
      u: float32 [outputs], not trainable: the state of the power iteration. Only `update` moves it.
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        # autocast: in 16 bits the iteration would stall.
        self.u = self.add_weight(
            name="u",
            shape=(super().kernel.shape[-1],),
            initializer=keras.initializers.RandomNormal(),
            trainable=False,
            autocast=False,
            dtype="float32",
        )

    @property
    def kernel(self) -> tf.Tensor:
        """What the layer computes with, W / sigma(W); W itself until `build` is over."""
        return self._normalized(super().kernel) if hasattr(self, "u") else super().kernel

    def _matrix(self, weights: tf.Tensor) -> tf.Tensor:
        return ops.reshape(ops.cast(weights, "float32"), (-1, weights.shape[-1]))

    def _normalized(self, weights: tf.Tensor) -> tf.Tensor:
        W = self._matrix(weights)
        v, u = power_iteration(W, self.u)
        sigma = ops.sum(ops.matmul(v, W) * u)
        return weights / ops.cast(sigma, weights.dtype)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        # Keras' own would save W / sigma, and no u.
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable

    def load_own_variables(self, store: MutableMapping[str, Any]) -> None:
        for index, variable in enumerate(self.variables):
            variable.assign(store[str(index)])

    def update(self) -> None:
        """Take one step of the power iteration, u <- u'."""
        self.u.assign(power_iteration(self._matrix(super().kernel), self.u)[1])


@keras.saving.register_keras_serializable(package="tfdgan")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """Conv2D with kernel W / sigma(W), W as a matrix [height * width * inputs, outputs]."""


@keras.saving.register_keras_serializable(package="tfdgan")
class SpectralDense(_Spectral, layers.Dense):
    """Dense with kernel W / sigma(W)."""


def update(model: keras.Model) -> None:
    """Take one step of the power iteration in every spectral layer of a model (nested models included)."""
    for layer in model.layers:
        if isinstance(layer, _Spectral):
            layer.update()
        elif isinstance(layer, keras.Model):
            update(layer)
