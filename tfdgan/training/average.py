"""The running average of a model's weights."""

import tensorflow as tf


class ModelAverage:
    """a <- a + (1 - d_k)(w - a) after step k, for every floating variable of a model.

    d_k = min(decay, (1 + k) / (10 + k)): the smaller decay at the start lets a short run forget its first weights.
    Batch-norm statistics are averaged like weights; variables that are no numbers (random states) are copied.
    Memory: one copy of the model.
    """

    def __init__(self, model, decay):
        self._model, self._decay = model, decay
        self.trainable = [tf.Variable(v, trainable=False) for v in model.trainable_variables]
        self.non_trainable = [tf.Variable(v, trainable=False) for v in model.non_trainable_variables]

    @property
    def variables(self):
        return self.trainable + self.non_trainable

    def reset(self):
        """Take the model's present weights."""
        for mine, theirs in self._pairs():
            mine.assign(tf.convert_to_tensor(theirs))

    def update(self, step):
        """One step of the average; `step` is a scalar int64 tensor."""
        step = tf.cast(step, tf.float32)
        rate = 1.0 - tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for mine, theirs in self._pairs():
            value = tf.convert_to_tensor(theirs)
            if mine.dtype.is_floating:
                mine.assign_add(tf.cast(rate, mine.dtype) * (value - mine))
            else:
                mine.assign(value)

    def _pairs(self):
        return zip(self.variables, self._model.trainable_variables + self._model.non_trainable_variables, strict=True)
