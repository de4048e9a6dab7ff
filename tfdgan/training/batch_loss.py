"""A loss over a batch, its gradient, and the gradient's noise from the batch's two halves."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfdgan.training.compiled import compiled
from tfdgan.training.gradients import Figures, Gradients, gradients_of

Outputs = dict[str, Any]

LARGEST = ("ratio/max",)  # figures of which a batch has the largest, not the mean


class BatchLoss(NamedTuple):
    """A loss in parts, so that it can be taken over a part of the batch too.

    Over two parts of a batch, weighted by their sizes, the mean of the losses has to be the loss over the batch.

    Attributes:
      outputs: function batch -> {name: float [n, ...]}: what nets say of each sample. A batch is any nest of tensors
        [n, ...].
      value: function (outputs, batch) -> (loss, figures): scalars, of the same samples.
      constants: function outputs -> {name: float [n, ...]}: what depends on the whole batch and gets no gradient, such
        as weights of samples. `value` finds it among the outputs.
    """

    outputs: Callable[[Any], Outputs]
    value: Callable[[Outputs, Any], tuple[tf.Tensor, Figures]]
    constants: Callable[[Outputs], Outputs] = lambda found: {}


def gradients(loss: BatchLoss, batch: Any, weights: Sequence[tf.Tensor]) -> Gradients:
    """The gradient of the loss over the batch in `weights`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        found = loss.outputs(batch)
        value, figures = loss.value({**found, **_constant(loss.constants(found))}, batch)
    return Gradients(gradients_of(tape, value, weights), value, figures)


def gradients_by_halves(loss: BatchLoss, batch: Any, weights: Sequence[tf.Tensor], *, one_pass: bool) -> Gradients:
    """The same gradient g, and an estimate q of its variance.

    g_a, g_b: gradients of the loss over the first n_a = ceil(n / 2) and the last n_b samples of a batch of n.

        g = (n_a g_a + n_b g_b) / n          q = n_a n_b (g_a - g_b)^2 / n^2,   for an even n (g_a - g_b)^2 / 4

    For samples drawn independently E q is the variance of g.

    Args:
      one_pass: True: all samples go through the nets together, as batch norm needs it; there are two backward passes
        over the whole batch. What `value` itself puts through a net, as a critic's penalty does, goes by halves all the
        same. False: each half goes through by itself, which costs little more than the batch.
    """
    count = tf.nest.flatten(batch)[0].shape[0]
    with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
        tape.watch(weights)
        halves = _halves(batch)
        found = _halves(loss.outputs(batch)) if one_pass else [loss.outputs(half) for half in halves]
        together = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *found)
        constants = _halves(_constant(loss.constants(together)))
        values = [loss.value({**x, **fixed}, half) for x, fixed, half in zip(found, constants, halves, strict=True)]
    shares = [-(-count // 2) / count, count // 2 / count]
    first, second = (gradients_of(tape, value, weights) for value, _ in values)
    if count % 2:
        mean = [shares[0] * a + shares[1] * b for a, b in zip(first, second, strict=True)]
    else:
        mean = [0.5 * (a + b) for a, b in zip(first, second, strict=True)]
    spread = (shares[0] * shares[1]) ** 0.5
    noise = [tf.square(spread * (a - b)) for a, b in zip(first, second, strict=True)]
    figures = {name: _joined(name, shares, [figures[name] for _, figures in values]) for name in values[0][1]}
    return Gradients(mean, _joined("loss", shares, [value for value, _ in values]), figures, noise)


class GradientsFunction:
    """A function (update, batch, *others) -> the gradients of a loss over the batch, compiled.

    At every which update they come with their noise, from the batch's halves.

    Args:
      make: others -> the loss.
      weights: in which to derive.
      nets: that see the batch in training mode.
      noise_every: 0: never.
      jit: whether XLA compiles it.
      within: a function that opens a context in which the loss is taken, and gives the tensors in which to derive in
        place of `weights`; None: no context.
    """

    def __init__(
        self,
        make: Callable[..., BatchLoss],
        weights: Sequence[tf.Tensor],
        nets: Sequence[keras.Model],
        noise_every: int,
        jit: bool,
        within: Callable[[], AbstractContextManager[Sequence[tf.Tensor]]] | None = None,
    ) -> None:
        within = within or (lambda: nullcontext(weights))

        def whole(batch: Any, *others: Any) -> Gradients:
            with within() as values:
                return gradients(make(*others), batch, values)

        def halves(batch: Any, *others: Any) -> Gradients:
            with within() as values:
                return gradients_by_halves(make(*others), batch, values, one_pass=needs_one_pass(*nets))

        self._every = noise_every
        self._whole, self._halves = compiled(whole, jit), compiled(halves, jit)

    def __call__(self, update: tf.Tensor, batch: Any, *others: Any) -> Gradients:
        """The gradients for update number `update` of the player, scalar int64."""
        if self._every == 0:
            return self._whole(batch, *others)
        if self._every == 1:
            return self._halves(batch, *others)

        def without_noise() -> Gradients:
            found = self._whole(batch, *others)
            # Of the same rank and of no size: nobody looks at them.
            empty = [tf.zeros([0] * len(gradient.shape), gradient.dtype) for gradient in found.gradients]
            return found._replace(noise=empty)

        fresh = update % self._every == 0
        return tf.cond(fresh, lambda: self._halves(batch, *others), without_noise)._replace(fresh=fresh)


def needs_one_pass(*models: keras.Model) -> bool:
    """True if samples of a batch may depend on each other in one of these nets, as they do by batch norm.

    The sign is a floating vector that is no trained weight, such as a moving average. Spectral norm's `u` is the
    weights' alone. A layer that looks at the whole batch and keeps no such vector is not seen; its statistics are
    those of half a batch then.
    """
    others = (v for model in models for v in model.non_trainable_variables)
    return any(keras.backend.is_float_dtype(v.dtype) and len(v.shape) > 0 and v.name != "u" for v in others)


def _halves(batch: Any) -> list[Any]:
    """The first half of every tensor of a nest, longer by one of an odd number, and the rest."""
    return [
        tf.nest.map_structure(lambda x: x[: -(-x.shape[0] // 2)], batch),
        tf.nest.map_structure(lambda x: x[-(-x.shape[0] // 2) :], batch),
    ]


def _constant(outputs: Outputs) -> Outputs:
    return tf.nest.map_structure(tf.stop_gradient, outputs)


def _joined(name: str, shares: Sequence[float], values: Sequence[tf.Tensor]) -> tf.Tensor:
    """A figure of the batch by those of its halves."""
    if name in LARGEST:
        return tf.maximum(*values)
    return shares[0] * values[0] + shares[1] * values[1]
