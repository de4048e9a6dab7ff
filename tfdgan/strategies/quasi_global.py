"""QGM: adapt then combine with a momentum that follows the mixed weights, not a learner's own gradients."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.gossip import Begun
from tfdgan.strategies.adapt_then_combine import AdaptThenCombine
from tfdgan.strategies.player import Player


class QuasiGlobalMomentum(AdaptThenCombine):
    """x'_i = x_i - u_i - b m_i,   y_i = sum_j M_ij x'_j,   m_i <- b m_i + (1 - b) (x_i - y_i),   x_i <- y_i

    u_i: what the optimizer subtracts. With the optimizer sgd, u_i = lr g_i, this is QG-DSGDm of Lin, Karimireddy,
    Stich, Jaggi, "Quasi-Global Momentum: Accelerating Decentralized Deep Learning on Heterogeneous Data", ICML 2021
    (Algorithm 1), whose momentum is m_i / lr; the rate has to be constant for the two to be equal. With another
    optimizer the optimizer's displacement takes the place of lr g_i, which is not in the paper. Where mixes come once a
    step, u_i is the displacement by all updates of the step. m_i stays local. Memory: two copies of the weights, and a
    third while they are mixed.

    Args:
      players: whose weights are mixed.
      momentum: b, in [0, 1).
      **others: as `AdaptThenCombine` takes them.
    """

    def __init__(self, players: Sequence[Player], *, momentum: float, **others: Any) -> None:
        super().__init__(players, **others)
        self._decay = momentum
        self._momentum = {p.name: [tf.Variable(tf.zeros_like(v), trainable=False) for v in p.values()] for p in players}
        self._before = {p.name: [tf.Variable(v, trainable=False) for v in p.values()] for p in players}

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        kinds = (("momentum", self._momentum), ("before", self._before))
        return {f"{kind}/{name}": variables for kind, kept in kinds for name, variables in kept.items()}

    def reset(self) -> None:
        for player in self.players:
            kept = zip(player.values(), self._momentum[player.name], self._before[player.name], strict=True)
            for value, momentum, before in kept:
                momentum.assign(tf.zeros_like(value))
                before.assign(value)

    def begin_combine(self, player: Player, update: tf.Tensor, last: bool) -> Begun | None:
        if self.combines == "step" and not last:
            return None
        for variable, momentum in zip(player.variables, self._momentum[player.name], strict=True):
            variable.assign_sub(self._decay * momentum)
        return super().begin_combine(player, update, last)

    def end_combine(self, player: Player, pending: Sequence[tf.Tensor]) -> tf.Tensor:
        waited = super().end_combine(player, pending)
        kept = zip(player.values(), self._momentum[player.name], self._before[player.name], strict=True)
        for value, momentum, before in kept:
            momentum.assign_add((1 - self._decay) * (before - value - momentum))
            before.assign(value)
        return waited
