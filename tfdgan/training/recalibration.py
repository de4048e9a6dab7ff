"""Statistics of batch norm, estimated anew for averaged weights.

Moving averages of batch norm follow the weights that were trained. The mean over learners, and over the past, has other
activations. So its statistics are taken from batches of its own samples, of the size that it is trained with (after
Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018, section 3.2).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdgan import distributed
from tfdgan.distributed import collectives
from tfdgan.models.stateless import compiled, under
from tfdgan.training.consensus_file import Consensus
from tfdgan.training.noise import Noise
from tfdgan.training.trainer import Trainer


def generator_inputs(trainer: Trainer, seed: int, classes: int | None) -> Callable[[int], Any]:
    """The function from a batch's number to the generator's inputs, the same on every learner.

    Args:
      seed: of the run.
      classes: how many labels there are, of a conditional generator.
    """
    noise = Noise(seed, "recalibration")
    return lambda batch: trainer.generator_inputs(noise, batch, classes)


def recalibrated(
    model: keras.Model,
    stored: Consensus,
    names: tuple[Sequence[str], Sequence[str]],
    inputs: Callable[[int], Any],
    batches: int,
) -> Consensus:
    """A consensus with the moving averages of a model's batch norm estimated anew.

    Each learner takes a part of the batches; all learners call it together. If a learner is lost meanwhile, the others
    begin again.

    Args:
      model: built.
      stored: {name: array}.
      names: of the model's (trainable, other) weights in `stored`, in the model's order.
      inputs: function from a batch's number to the model's inputs, the same on every learner.
      batches: how many.
    """
    trainable, others = ([stored[name] for name in group] for group in names)
    totals = ranks = None
    while totals is None or ranks != collectives.ranks():
        ranks = collectives.ranks()
        mine = range(ranks.index(distributed.rank()), batches, len(ranks))
        totals = collectives.total(statistics(model, trainable, others, inputs, mine), "recalibration")
    changed = [names[1][place] for place in _places(model)]
    means = {name: (total / batches).astype(stored[name].dtype) for name, total in zip(changed, totals, strict=True)}
    return {**stored, **means}


def alone(
    model: keras.Model,
    trainable: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    inputs: Callable[[int], Any],
    batches: int,
) -> list[np.ndarray]:
    """A learner's own `others`, moving averages estimated anew from `batches` batches, by this learner alone.

    The other arguments are those of `statistics`.
    """
    totals = statistics(model, trainable, others, inputs, range(batches))
    changed = dict(zip(_places(model), totals, strict=True))
    return [
        (changed[place] / batches).astype(value.dtype) if place in changed else value
        for place, value in enumerate(others)
    ]


def has_statistics(model: keras.Model) -> bool:
    """True if the model has floating vectors that are no trained weights, as batch norm has."""
    return any(map(_averages, model.non_trainable_variables))


def statistics(
    model: keras.Model,
    trainable: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    inputs: Callable[[int], Any],
    batches: Iterable[int],
) -> list[np.ndarray]:
    """The sums over batches of what the model's moving averages average, under these weights: float64.

    A pass in training mode takes a moving average a to m a + (1 - m) s, s the batch's statistic. So s is what a pass
    makes of a = 0, divided by 1 - m, and m is found by a pass from a = 1. No layer has to be known. What a first pass
    leaves as it is, such as the state of spectral norm, is none; its value counts as its statistic.

    Args:
      trainable, others: weights in the order of the model's `trainable_variables` and `non_trainable_variables`.
      inputs: function from a batch's number to the model's inputs.
      batches: numbers of the batches.

    Returns:
      An array for each floating vector among `others`, in their order.
    """
    function = compiled(model, _after_a_pass)
    places = _places(model)
    after = function(list(trainable), list(others), inputs(0))
    moving = [place for place in places if not np.array_equal(after[place], others[place])]
    starts = [
        [np.full_like(value, fill) if place in moving else value for place, value in enumerate(others)]
        for fill in (0, 1)
    ]
    totals = [np.zeros(others[place].shape, np.float64) for place in places]
    for batch in batches:
        from_0, from_1 = (function(list(trainable), start, inputs(batch)) for start in starts)
        for total, place in zip(totals, places, strict=True):
            low, high = (np.asarray(values[place], np.float64) for values in (from_0, from_1))
            total += low / (1 - (high - low)) if place in moving else others[place]
    return totals


def _places(model: keras.Model) -> list[int]:
    """Which of the model's `non_trainable_variables` may be moving averages."""
    return [place for place, variable in enumerate(model.non_trainable_variables) if _averages(variable)]


def _averages(variable: keras.Variable) -> bool:
    """True for what may be a moving average."""
    return keras.backend.is_float_dtype(variable.dtype) and len(variable.shape) > 0


def _after_a_pass(
    model: keras.Model, trainable: Sequence[tf.Tensor], others: Sequence[tf.Tensor], inputs: Any
) -> list[tf.Tensor]:
    """The non-trainable variables after a pass in training mode."""
    with under(model, trainable, others) as scope:
        model(inputs, training=True)
        return [tf.convert_to_tensor(scope.get_current_value(v)) for v in model.non_trainable_variables]
