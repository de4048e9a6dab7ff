"""Layers whose kernel is divided by its largest singular value, as a reparametrisation.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018. The trainable variable W keeps
its value; W / sigma is formed where it is used, and the gradient goes through sigma.
keras.layers.SpectralNormalization writes W / sigma into the variable in the forward pass, under the hands of a mix
that is sending it.
"""

import keras
from keras import layers, ops

_SMALL = 1e-12


def power_iteration(W, u):
    """(v, u'): v = W u / |W u|, u' = W^T v / |W^T v|, for W [rows, columns] and u [columns]; no gradient."""
    v = _unit(ops.matmul(W, u))
    return ops.stop_gradient(v), ops.stop_gradient(_unit(ops.matmul(v, W)))


def _unit(x):
    return x / (ops.norm(x) + _SMALL)


class _Spectral:
    """What the layers below share. The non-trainable `u` is a step of the power iteration behind; see `update`."""

    def build(self, input_shape):
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
    def kernel(self):
        """What the layer computes with, W / sigma(W); W itself until `build` is over."""
        return self._normalized(super().kernel) if hasattr(self, "u") else super().kernel

    def _matrix(self, weights):
        return ops.reshape(ops.cast(weights, "float32"), (-1, weights.shape[-1]))

    def _normalized(self, weights):
        W = self._matrix(weights)
        v, u = power_iteration(W, self.u)
        sigma = ops.sum(ops.matmul(v, W) * u)
        return weights / ops.cast(sigma, weights.dtype)

    def save_own_variables(self, store):
        # Keras' own would save W / sigma, and no u.
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable

    def load_own_variables(self, store):
        for index, variable in enumerate(self.variables):
            variable.assign(store[str(index)])

    def update(self):
        """Take one step of the power iteration, u <- u'."""
        self.u.assign(power_iteration(self._matrix(super().kernel), self.u)[1])


@keras.saving.register_keras_serializable(package="tfdgan")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """Conv2D with kernel W / sigma(W), W as a matrix [height * width * inputs, outputs]."""


@keras.saving.register_keras_serializable(package="tfdgan")
class SpectralDense(_Spectral, layers.Dense):
    """Dense with kernel W / sigma(W)."""


def update(model):
    """One step of the power iteration in every spectral layer of a model (nested models included)."""
    for layer in model.layers:
        if isinstance(layer, _Spectral):
            layer.update()
        elif isinstance(layer, keras.Model):
            update(layer)
