"""DPOSG: decentralised optimistic stochastic gradient, with its own step."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfdgan.strategies.base import no_wait, seconds_until
from tfdgan.strategies.mixing import Mixing
from tfdgan.strategies.player import Player, finite_or_zero


class DPOSG(Mixing):
    """Two sequences and one new gradient a step (Liu et al., NeurIPS 2020, Algorithm 1):

        Z_k = X_{k-1} M - eta g(Z_{k-1})      the previous gradient again, same sample
        X_k = X_{k-1} M - eta g(Z_k)          the new one

    where (X M)_i = sum_j M_ij x_j. The players' variables hold Z, at which gradients are taken; X and the last
    gradient are kept here. Every player does one update a step. Z waits for the exchange, so nothing overlaps.
    eta is the learning rate of the player's (sgd) optimizer. Memory: three copies of the weights.

    Args:
      players: whose weights are mixed.
      **exchange: as `Mixing` takes it.
    """

    def __init__(self, players: Sequence[Player], **exchange: Any) -> None:
        super().__init__(players, **exchange)
        self._x = {p.name: [tf.Variable(v, trainable=False) for v in p.values()] for p in self.players}
        self._last = {
            p.name: [tf.Variable(tf.zeros_like(v), trainable=False) for v in p.values()] for p in self.players
        }

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        return {
            f"{kind}/{name}": variables
            for kind, kept in (("x", self._x), ("last_gradient", self._last))
            for name, variables in kept.items()
        }

    def reset(self) -> None:
        for player in self.players:
            for x, last, value in zip(self._x[player.name], self._last[player.name], player.values(), strict=True):
                x.assign(value)
                last.assign(tf.zeros_like(value))

    def begin_step(self, step: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        values = [tf.convert_to_tensor(x) for player in self.players for x in self._x[player.name]]
        mixed = self._begin_mix(values, step, self._channel).finish()
        waited = seconds_until(mixed, values)
        for (z, _, last, rate), value in zip(self._all(), mixed, strict=True):
            z.assign(value - rate * last)
        return mixed, waited

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        for last, gradient in zip(self._last[player.name], finite_or_zero(finite, gradients), strict=True):
            last.assign(gradient)
        return no_wait()

    def end_step(self, begun: tuple[list[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        mixed, waited = begun
        for (_, x, last, rate), value in zip(self._all(), mixed, strict=True):
            x.assign(value - rate * last)
        for player in self.players:
            player.optimizer.iterations.assign_add(1)
        return waited

    def _all(self) -> Iterator[tuple[keras.Variable, tf.Variable, tf.Variable, tf.Tensor]]:
        """(Z, X, last gradient, learning rate) of every variable of every player."""
        for player in self.players:
            for z, x, last in zip(player.variables, self._x[player.name], self._last[player.name], strict=True):
                yield z, x, last, tf.cast(player.optimizer.learning_rate, x.dtype)
