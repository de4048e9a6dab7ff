"""CP: gradients averaged over all learners, every learner takes the same step."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.distributed.horovod import hvd
from tfdgan.strategies.base import Strategy, no_wait, seconds_until
from tfdgan.strategies.player import Player


class Centralized(Strategy):
    """g = mean_i g_i by one grouped all-reduce for each update; with optimistic Adam this is CP-OAdam.

    Equal to one learner on the concatenated batch, except for batch norm, whose statistics stay each learner's.

    Args:
      players: whose gradients are averaged.
      wire_dtype: "float32" or "float16". In float16 Horovod also adds (it cannot add bfloat16). Each learner sends its
        share, gradient / n, so a sum overflows only if the mean does, above 65,504. Then no learner takes the update,
        and no message says so. Shares below 3e-8 become 0.
    """

    shares_batch = True

    def __init__(self, players: Sequence[Player], wire_dtype: str = "float32") -> None:
        super().__init__(players)
        self._wire = tf.as_dtype(wire_dtype)

    def share_batch(self, values: tf.Tensor, name: str) -> tuple[tf.Tensor, int, tf.Tensor]:
        if job.size() == 1:
            return super().share_batch(values, name)
        everyone = hvd.allgather(values[tf.newaxis], name=f"tfdgan.{name}", ignore_name_scope=True)
        everyone = tf.ensure_shape(everyone, [job.size(), *values.shape])
        return everyone, job.rank(), seconds_until([everyone], [values])

    def bytes_a_step(self) -> float:
        return sum(self.bytes_of_gradients(player) for player in self.players)

    def bytes_of_gradients(self, player: Player) -> float:
        """By a ring all-reduce, as Gloo does it: 2 (n - 1) / n of the gradients for each update."""
        return 2 * (job.size() - 1) / job.size() * player.numbers * player.updates * self._wire.size

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        if job.size() == 1:
            player.step_if(finite, gradients)
            return no_wait()
        named = dict(name=f"tfdgan.gradients.{player.name}", ignore_name_scope=True)
        if self._wire == tf.float32:
            averaged = hvd.grouped_allreduce(gradients, op=hvd.Average, **named)
        else:
            shares = [tf.cast(g / job.size(), self._wire) for g in gradients]
            averaged = [tf.cast(mean, tf.float32) for mean in hvd.grouped_allreduce(shares, op=hvd.Sum, **named)]
        waited = seconds_until(averaged, gradients)
        # Every learner decides by the average, so all decide alike and stay equal.
        player.step_if(tf.math.is_finite(tf.linalg.global_norm(averaged)), averaged)
        return waited
