"""DiLoCo: learners train apart, and now and then an outer Nesterov step takes them all to one place."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.distributed import job
from tfdgan.distributed.horovod import hvd
from tfdgan.strategies.base import Strategy, no_wait, seconds_until
from tfdgan.strategies.player import Player


class DiLoCo(Strategy):
    """Every H steps, from common weights x and learners' weights x_i:

        g = mean_i (x - x_i),   b <- m b + g,   x <- x - r (g + m b),   x_i <- x

    Douillard et al., "DiLoCo: Distributed Low-Communication Training of Language Models", 2023 (Algorithm 1, with
    Nesterov momentum; there r = .7 and m = .9). Optimizer slots stay each learner's own. The mean is an all-reduce by
    Horovod, so every learner waits for all others there, and nowhere else. Memory: two copies of the weights, and a
    third in the outer step.

    Args:
      players: whose weights are averaged; all learners start equal.
      every: H.
      rate: r, the outer learning rate.
      momentum: m, the outer momentum.
    """

    def __init__(self, players: Sequence[Player], *, every: int, rate: float, momentum: float) -> None:
        super().__init__(players)
        self._every, self._rate, self._decay = every, rate, momentum
        self._variables = [v for player in self.players for v in player.variables]
        self._common = [tf.Variable(v, trainable=False) for v in self._values()]
        self._momentum = [tf.Variable(tf.zeros_like(v), trainable=False) for v in self._values()]

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        return {"common": self._common, "outer_momentum": self._momentum}

    def reset(self) -> None:
        for common, momentum, value in zip(self._common, self._momentum, self._values(), strict=True):
            common.assign(value)
            momentum.assign(tf.zeros_like(value))

    def begin_step(self, step: tf.Tensor) -> tf.Tensor:
        return step

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        player.step_if(finite, gradients)
        return no_wait()

    def end_step(self, begun: tf.Tensor) -> tf.Tensor:
        return tf.cond((begun + 1) % self._every == 0, self._outer_step, no_wait)

    def bytes_a_step(self) -> float:
        """By a ring all-reduce, as Gloo does it, spread over the steps."""
        sizes = sum(v.dtype.size * v.shape.num_elements() for v in self._values())
        return 2 * (job.size() - 1) / job.size() * sizes / self._every

    def _values(self) -> list[tf.Tensor]:
        return [tf.convert_to_tensor(v) for v in self._variables]

    def _outer_step(self) -> tf.Tensor:
        """Returns the seconds waited."""
        drifts = [common - value for common, value in zip(self._common, self._values(), strict=True)]
        means, waited = drifts, no_wait()
        if job.size() > 1:
            means = hvd.grouped_allreduce(drifts, op=hvd.Average, name="tfdgan.diloco", ignore_name_scope=True)
            waited = seconds_until(means, drifts)
        for variable, common, momentum, mean in zip(self._variables, self._common, self._momentum, means, strict=True):
            nesterov = mean + self._decay * momentum.assign(self._decay * momentum + mean)
            variable.assign(common.assign_sub(self._rate * nesterov))
        return waited
