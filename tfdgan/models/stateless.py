"""A model under weights that are not its own."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

# {model: {function: compiled function}}
_functions: "weakref.WeakKeyDictionary[keras.Model, dict[Callable[..., Any], Callable[..., Any]]]" = (
    weakref.WeakKeyDictionary()
)


def under(model: keras.Model, trainable: Sequence[tf.Tensor], non_trainable: Sequence[tf.Tensor]) -> Any:
    """A context in which the variables of a built model have the values of these tensors.

    What is assigned to variables within the context is dropped.

    Args:
      trainable, non_trainable: in the order of the model's `trainable_variables` and `non_trainable_variables`.
    """
    variables = model.trainable_variables + model.non_trainable_variables
    return keras.StatelessScope(state_mapping=list(zip(variables, [*trainable, *non_trainable], strict=True)))


def applied(
    model: keras.Model,
    trainable: Sequence[tf.Tensor],
    non_trainable: Sequence[tf.Tensor],
    inputs: Any,
    training: bool = False,
) -> Any:
    """model(inputs) under these weights. Unlike Keras' `stateless_call` also for models whose call() takes no
    `training`."""
    with under(model, trainable, non_trainable):
        return model(inputs, training=training)


def compiled(model: keras.Model, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(model, trainable, non_trainable, inputs)` as a compiled function of the last three arguments.

    A model and a function are compiled once, however often they are asked for. The compiled function does not keep the
    model alive. `function` is to be a function of a module: a new lambda would be compiled anew each time.
    """
    kept = _functions.setdefault(model, {})
    if function not in kept:
        reference = weakref.ref(model)
        kept[function] = tf.function(
            lambda *arguments: function(reference(), *arguments), autograph=False, reduce_retracing=True
        )
    return kept[function]
