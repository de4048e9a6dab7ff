"""CP: gradients averaged over all learners, every learner takes the same step."""

import horovod.tensorflow as hvd
import tensorflow as tf

from tfdgan.strategies.local import Local, seconds_until


class Centralized(Local):
    """g = mean_i g_i by one grouped all-reduce an update; with optimistic Adam this is CP-OAdam.

    Equal to one learner on the concatenated batch, except for batch norm, whose statistics stay each learner's.

    Args:
      wire_dtype: "float32" or "float16", in which Horovod then also adds (it adds no bfloat16). Each learner sends its
        share, gradient / n, so no sum overflows unless the mean does, above 65,504: then no learner takes the update,
        and nobody is told. Shares below 3e-8 vanish.
    """

    def __init__(self, players, wire_dtype="float32"):
        super().__init__(players)
        self._wire = tf.as_dtype(wire_dtype)

    def of_one_batch(self, values, name):
        if hvd.size() == 1:
            return super().of_one_batch(values, name)
        everyone = hvd.allgather(values[tf.newaxis], name=f"tfdgan.{name}", ignore_name_scope=True)
        everyone = tf.ensure_shape(everyone, [hvd.size(), *values.shape])
        return everyone, hvd.rank(), seconds_until([everyone], [values])

    def apply(self, player, gradients, finite, begun):
        if hvd.size() == 1:
            return super().apply(player, gradients, finite, begun)
        named = dict(name=f"tfdgan.gradients.{player.name}", ignore_name_scope=True)
        if self._wire == tf.float32:
            averaged = hvd.grouped_allreduce(gradients, op=hvd.Average, **named)
        else:
            shares = [tf.cast(g / hvd.size(), self._wire) for g in gradients]
            averaged = [tf.cast(mean, tf.float32) for mean in hvd.grouped_allreduce(shares, op=hvd.Sum, **named)]
        waited = seconds_until(averaged, gradients)
        # Every learner decides by the average, so all decide alike and stay equal.
        super().apply(player, averaged, tf.math.is_finite(tf.linalg.global_norm(averaged)), begun)
        return waited
