"""Lookahead: now and then all players go back a part of the way that they have come, beside any strategy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfdgan.gossip import Begun
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player


class _Step(NamedTuple):
    """The number of a step, and what the other strategy has begun."""

    number: tf.Tensor
    begun: Any


class Lookahead(Strategy):
    """Every k steps, after mixing: s <- s + a (w - s),  w <- s, for the weights w of all players together.

    Chavdarova, Pagliardini, Stich, Fleuret, Jaggi, "Taming GANs with Lookahead-Minmax", ICLR 2021 (Algorithm 1; there
    a = .5). s are slow weights, each learner's own; mixing acts on them through w. Memory: a copy of the weights.

    Args:
      strategy: how gradients become weights, and what is mixed.
      every: k.
      rate: a, in (0, 1).
    """

    def __init__(self, strategy: Strategy, *, every: int, rate: float) -> None:
        super().__init__(strategy.players)
        self._strategy, self._every, self._rate = strategy, every, rate
        self.combines, self.shares_batch = strategy.combines, strategy.shares_batch
        self._variables = [v for player in self.players for v in player.variables]
        self._slow = [tf.Variable(tf.convert_to_tensor(v), trainable=False) for v in self._variables]

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        return {**self._strategy.state, "slow": self._slow}

    def reset(self) -> None:
        self._strategy.reset()
        for slow, variable in zip(self._slow, self._variables, strict=True):
            slow.assign(tf.convert_to_tensor(variable))

    def begin_step(self, step: tf.Tensor) -> _Step:
        return _Step(step, self._strategy.begin_step(step))

    def begin_update(self, player: Player, update: tf.Tensor) -> Any:
        return self._strategy.begin_update(player, update)

    def started(self, begun: Any) -> list[tf.Tensor]:
        return self._strategy.started(begun.begun if isinstance(begun, _Step) else begun)

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        return self._strategy.apply(player, gradients, finite, begun)

    def begin_combine(self, player: Player, update: tf.Tensor, last: bool) -> Begun | None:
        return self._strategy.begin_combine(player, update, last)

    def end_combine(self, player: Player, pending: Sequence[tf.Tensor]) -> tf.Tensor:
        return self._strategy.end_combine(player, pending)

    def end_step(self, begun: _Step) -> tf.Tensor:
        waited = self._strategy.end_step(begun.begun)
        with tf.control_dependencies([waited]):
            tf.cond((begun.number + 1) % self._every == 0, self._look_back, lambda: tf.constant(True))
        return waited

    def share_batch(self, values: tf.Tensor, name: str) -> tuple[tf.Tensor, int, tf.Tensor]:
        return self._strategy.share_batch(values, name)

    def bytes_of_gradients(self, player: Player) -> float:
        return self._strategy.bytes_of_gradients(player)

    def bytes_a_step(self) -> float | None:
        return self._strategy.bytes_a_step()

    def restrict_to(self, ranks: Sequence[int]) -> bool:
        return self._strategy.restrict_to(ranks)

    def _look_back(self) -> tf.Tensor:
        for slow, variable in zip(self._slow, self._variables, strict=True):
            value = tf.convert_to_tensor(variable)
            variable.assign(slow.assign_add(self._rate * (value - slow)))
        return tf.constant(True)
