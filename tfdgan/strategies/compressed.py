"""DP with compressed differences in place of weights."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan import gossip
from tfdgan.distributed import job
from tfdgan.gossip import Begun
from tfdgan.gossip.compression import Code
from tfdgan.gossip.schedule import Schedule
from tfdgan.strategies.base import Strategy, no_wait, seconds_until
from tfdgan.strategies.player import Player


class Compressed(Strategy):
    """CHOCO-SGD (Koloskova, Stich and Jaggi, "Decentralized stochastic optimization and gossip algorithms with
    compressed communication", ICML 2019, Algorithm 2), with whatever step the players' optimizers take:

        q_i = C(x_i - y_i),   y_i <- y_i + q_i,   s_i <- s_i + sum_j W_ij q_j        q_i sent, the others' received
        x_i <- x_i - d_i + g (s_i - y_i)

    x_i are learner i's weights at the start of a step, d_i what the step's updates subtract from them, g the consensus
    rate. y_i is what the neighbours know of x_i, so what C loses in one step is sent in a later one. s_i is
    sum_j W_ij y_j. It is one sum for all neighbours, so the topology must not change. The mean over learners moves by
    the updates alone. The more C loses, the smaller g must be; with an exact C and g = 1 this is `Decentralized`. The
    paper subtracts d_i before it compresses. Here q_i is made of the weights at the step's start, so that it travels
    while d_i is computed.

    The native backend only. y and s start at the players' weights, which must be equal on all learners then. Memory:
    y and s in float64, the messages, and four float64 copies of the weights while a step ends.

    Args:
      players: whose weights are mixed, all float32.
      schedule: a `Schedule` whose matrix never changes.
      code: C, of `gossip.compression`, for all weights in a row.
      rate: g.
      channel: as `gossip.mix` takes it.
    """

    def __init__(
        self,
        players: Sequence[Player],
        *,
        schedule: Schedule,
        code: Code,
        rate: float,
        channel: str = "weights",
    ) -> None:
        super().__init__(players)
        self._schedule, self._code, self._rate, self._channel = schedule, code, rate, channel
        self._variables = [v for player in self.players for v in player.variables]
        for player in self.players:
            player.average_among(schedule.size)
        # float64: in float32 the rounding of two sums made apart, s and y, would move the mean, step by step.
        self._known = tf.Variable(self._flat(), trainable=False)
        self._neighbourhood = tf.Variable(self._flat(), trainable=False)

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        return {"known": [self._known], "neighbourhood": [self._neighbourhood]}

    def reset(self) -> None:
        self._known.assign(self._flat())
        self._neighbourhood.assign(self._flat())

    def begin_step(self, step: tf.Tensor) -> tuple[tf.Tensor, Begun]:
        message = self._code.encode(tf.cast(self._flat() - self._known, tf.float32))
        return message, gossip.begin_gather(message, self._schedule, step, channel=self._channel)

    def started(self, begun: Any) -> list[tf.Tensor]:
        return [] if begun is None else begun[1].started

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        player.step_if(finite, gradients)
        return no_wait()

    def end_step(self, begun: tuple[tf.Tensor, Begun]) -> tf.Tensor:
        message, gathered = begun
        (messages,) = gathered.finish()
        waited = seconds_until([messages], [tf.convert_to_tensor(v) for v in self._variables])
        _, neighbours, weights, own_weight = self._schedule.peers(0, job.rank())
        sent = tf.cast(self._code.decode(message), tf.float64)
        total = own_weight * sent
        for index in range(len(neighbours)):
            total += weights[index] * tf.cast(self._code.decode(messages[index]), tf.float64)
        known = self._known.assign_add(sent)
        neighbourhood = self._neighbourhood.assign_add(total)
        difference = tf.cast(self._rate * (neighbourhood - known), tf.float32)
        moves = tf.split(difference, [v.shape.num_elements() for v in self._variables])
        for variable, move in zip(self._variables, moves, strict=True):
            variable.assign_add(tf.reshape(move, variable.shape))
        return waited

    def bytes_a_step(self) -> float:
        return self._code.bytes * self._schedule.mean_neighbors

    def _flat(self) -> tf.Tensor:
        return tf.cast(tf.concat([tf.reshape(v, [-1]) for v in self._variables], axis=0), tf.float64)
