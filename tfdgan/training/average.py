"""The running average of a model's weights."""

from collections.abc import Iterator

import keras
import tensorflow as tf


class ModelAverage:
    """a <- a + (1 - d_k)(w - a) after step k, for every floating variable of a model.

    d_k = min(decay, (1 + k) / (10 + k)): the smaller decay at the start lets a short run forget its first weights.
    Batch-norm statistics are averaged like weights; variables that are no numbers (random states) are copied.
    Memory: one copy of the model. (`tf.train.ExponentialMovingAverage` has the same d_k, but no place for integers.)

    Args:
      model: built.
      decay: the largest d_k.

    Attributes:
      trainable, non_trainable: the averages, in the order of the model's variables.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        self._model, self._decay = model, decay
        self.trainable = [tf.Variable(v, trainable=False) for v in model.trainable_variables]
        self.non_trainable = [tf.Variable(v, trainable=False) for v in model.non_trainable_variables]

    @property
    def variables(self) -> list[tf.Variable]:
        """All averages, the trainable variables' first."""
        return self.trainable + self.non_trainable

    def reset(self) -> None:
        """Take the model's present weights."""
        for mine, theirs in self._pairs():
            mine.assign(tf.convert_to_tensor(theirs))

    def update(self, step: tf.Tensor) -> None:
        """One step of the average; `step` is a scalar int64 tensor."""
        step = tf.cast(step, tf.float32)
        rate = 1.0 - tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for mine, theirs in self._pairs():
            value = tf.convert_to_tensor(theirs)
            if mine.dtype.is_floating:
                mine.assign_add(tf.cast(rate, mine.dtype) * (value - mine))
            else:
                mine.assign(value)

    def _pairs(self) -> Iterator[tuple[tf.Variable, keras.Variable]]:
        return zip(self.variables, self._model.trainable_variables + self._model.non_trainable_variables, strict=True)
