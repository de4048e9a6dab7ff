"""ATC: every learner adapts its weights by its own gradient, then combines them with its neighbours'."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip import Begun, together
from tfdgan.strategies.base import no_wait, seconds_until
from tfdgan.strategies.mixing import Mixing
from tfdgan.strategies.player import Player


class AdaptThenCombine(Mixing):
    """w'_i = w_i - (the optimizer's displacement by learner i's gradient), w_i <- sum_j M_ij w'_j.

    Adapt then combine is diffusion learning's term (Chen and Sayed, "Diffusion adaptation strategies for distributed
    optimization and learning over networks", IEEE Transactions on Signal Processing 60, 2012, equation 20). Where
    `Decentralized` mixes the weights from before an update and hides the exchange behind the gradient, this waits for
    the exchange of what the update has made. On a 16-bit wire the second line is
    w_i <- w'_i + sum_j M_ij (Q(w'_j) - Q(w'_i)), as `gossip.mix` has it.

    Optimizer slots stay local, unless the second moments are to be mixed as well. Adam divides by their root, so
    learners whose second moments differ take steps of another shape than their mean gradient would. They follow the
    same line in a message of their own, at every k-th mix, by the schedule's matrices in their own turn: under a
    schedule that changes from step to step their neighbours are not the weights' of the same step.

    Only a part of the exchange is waited for. The exchange of a player that has made its last update of the step runs
    while other players' gradients are computed; these see the weights w'_i. Memory: a copy of a player's weights
    while they are mixed, and of second moments with them.

    Args:
      players: whose weights are mixed.
      mix_after: "step": once a step, after the last update of each player, and the schedule takes the number of the
        step; "update": after each update, and the schedule takes the number of the player's update.
      mix_moments: k; 0: second moments are not mixed.
      **exchange: as `Mixing` takes it. Each player has a channel of its own, named after `channel` and the player.

    Raises:
      UserError: second moments are to be mixed that an optimizer does not have, or that its wire cannot carry.
    """

    def __init__(
        self, players: Sequence[Player], *, mix_after: str = "step", mix_moments: int = 0, **exchange: Any
    ) -> None:
        super().__init__(players, **exchange)
        self.combines, self._mix_moments = mix_after, mix_moments
        self._complete: dict[str, Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]] = {}
        if mix_moments and self._wire_dtype == "float16":
            raise UserError(f"--mix_moments={mix_moments}: squares do not fit into float16; use bfloat16 or float32")
        for player in self.players if mix_moments else []:
            if not hasattr(player.optimizer, "second_moments"):
                raise UserError(
                    f"--mix_moments={mix_moments}: {type(player.optimizer).__name__} has no second moments to mix; use "
                    "OptimisticAdam (--optimizer=oadam)"
                )

    def bytes_a_step(self) -> float:
        each = self.combines == "update"
        return sum(self._bytes_of_mix(player) * (player.updates if each else 1) for player in self.players)

    def _bytes_of_mix(self, player: Player) -> float:
        share = self._bytes_of(self._moments(player)) / self._bytes_of(player.variables)
        return super()._bytes_of_mix(player) * (1 + share / (self._mix_moments or 1))

    def _moments(self, player: Player) -> list[keras.Variable]:
        """Those that are mixed beside the player's weights."""
        return player.optimizer.second_moments if self._mix_moments else []

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        player.step_if(finite, gradients)
        return no_wait()

    def begin_combine(self, player: Player, update: tf.Tensor, last: bool) -> Begun | None:
        if self.combines == "step" and not last:
            return None
        index = update // player.updates if self.combines == "step" else update
        channel = f"{self._channel}.{player.name}"
        begun = self._begin_mix(player.values(), index, channel)
        if moments := self._moments(player):
            schedule, values = self._schedule.thinned(self._mix_moments), [tf.convert_to_tensor(m) for m in moments]
            begun = together(begun, self._begin_mix(values, index, f"{channel}.moments", schedule))
        self._complete[player.name] = begun.complete
        return begun

    def end_combine(self, player: Player, pending: Sequence[tf.Tensor]) -> tf.Tensor:
        adapted = player.values()
        mixed = self._complete[player.name](pending)
        waited = seconds_until(mixed, adapted)
        count = len(adapted)
        for variable, value in zip(player.variables, mixed[:count], strict=True):
            variable.assign(value)
        for moment, value in zip(self._moments(player), mixed[count:], strict=True):
            moment.assign(tf.nn.relu(value))  # rounding may take a small square below 0
        return waited
