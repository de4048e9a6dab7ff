"""ATC: every learner adapts its weights by its own gradient, then combines them with its neighbours'."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfdgan.gossip import Begun
from tfdgan.strategies.base import no_wait, seconds_until
from tfdgan.strategies.mixing import Mixing
from tfdgan.strategies.player import Player


class AdaptThenCombine(Mixing):
    """w'_i = w_i - (the optimizer's displacement by learner i's gradient), w_i <- sum_j M_ij w'_j.

    Adapt then combine is diffusion learning's term (Chen and Sayed, "Diffusion adaptation strategies for distributed
    optimization and learning over networks", IEEE Transactions on Signal Processing 60, 2012, equation 20). Where
    `Decentralized` mixes the weights from before an update and hides the exchange behind the gradient, this waits for
    the exchange of what the update has made. On a 16-bit wire the second line is
    w_i <- w'_i + sum_j M_ij (Q(w'_j) - Q(w'_i)), as `gossip.mix` has it. Optimizer slots stay local.

    Only a part of the exchange is waited for. The exchange of a player that has made its last update of the step runs
    while other players' gradients are computed; these see the weights w'_i. Memory: a copy of a player's weights while
    they are mixed.

    Args:
      players: whose weights are mixed.
      mix_after: "step": once a step, after the last update of each player, and the schedule takes the number of the
        step; "update": after each update, and the schedule takes the number of the player's update.
      **exchange: as `Mixing` takes it. Each player has a channel of its own, named after `channel` and the player.
    """

    def __init__(self, players: Sequence[Player], *, mix_after: str = "step", **exchange: Any) -> None:
        super().__init__(players, **exchange)
        self.combines = mix_after
        self._complete: dict[str, Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]] = {}

    def bytes_a_step(self) -> float:
        each = self.combines == "update"
        return sum(self._bytes_of_mix(player) * (player.updates if each else 1) for player in self.players)

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        player.step_if(finite, gradients)
        return no_wait()

    def begin_combine(self, player: Player, update: tf.Tensor, last: bool) -> Begun | None:
        if self.combines == "step" and not last:
            return None
        index = update // player.updates if self.combines == "step" else update
        begun = self._begin_mix(player.values(), index, f"{self._channel}.{player.name}")
        self._complete[player.name] = begun.complete
        return begun

    def end_combine(self, player: Player, pending: Sequence[tf.Tensor]) -> tf.Tensor:
        adapted = player.values()
        mixed = self._complete[player.name](pending)
        waited = seconds_until(mixed, adapted)
        for variable, value in zip(player.variables, mixed, strict=True):
            variable.assign(value)
        return waited
