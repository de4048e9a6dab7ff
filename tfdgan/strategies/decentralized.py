"""DP: every learner keeps its own weights and averages them with its neighbours'."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfdgan.gossip import Begun
from tfdgan.strategies.base import no_wait, seconds_until
from tfdgan.strategies.mixing import Mixing
from tfdgan.strategies.player import Player


class _Mix(NamedTuple):
    """A mix under way: the variables, their values when the mix began, the exchange."""

    variables: list[keras.Variable]
    before: list[tf.Tensor]
    begun: Begun


class Decentralized(Mixing):
    """w_i <- sum_j M_ij w_j(start) + (w_i(end) - w_i(start)), over a step or over each update.

    With optimistic Adam: DP-OAdam; with a random schedule: Rand-DP-OAdam (Liu et al., "A Decentralized Parallel
    Algorithm for Training Generative Adversarial Nets", NeurIPS 2020). The exchange needs no gradient, so it
    runs while gradients are computed. Optimizer slots stay local. Memory: a copy of the weights before and one
    after mixing.

    Args:
      players: whose weights are mixed.
      mix_after: "step": once a step, and the schedule takes the number of the step; "update": at each update, and the
        schedule takes the number of the player's update.
      **exchange: as `Mixing` takes it.
    """

    def __init__(self, players: Sequence[Player], *, mix_after: str = "step", **exchange: Any) -> None:
        super().__init__(players, **exchange)
        self._mix_after = mix_after

    def begin_step(self, step: tf.Tensor) -> Any:
        return self._begin(self.players, step, self._channel) if self._mix_after == "step" else None

    def begin_update(self, player: Player, update: tf.Tensor) -> Any:
        return self._begin([player], update, player.name) if self._mix_after == "update" else None

    def bytes_a_step(self) -> float:
        each = self._mix_after == "update"
        return sum(self._bytes_of_mix(player) * (player.updates if each else 1) for player in self.players)

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        player.step_if(finite, gradients)
        return no_wait() if begun is None else self._end(begun)

    def end_step(self, begun: Any) -> tf.Tensor:
        return no_wait() if begun is None else self._end(begun)

    def started(self, begun: Any) -> list[tf.Tensor]:
        return [] if begun is None else begun.begun.started

    def _begin(self, players: Sequence[Player], index: tf.Tensor, channel: str) -> _Mix:
        """Start one exchange of all these players' weights."""
        variables = [v for player in players for v in player.variables]
        before = [tf.convert_to_tensor(v) for v in variables]
        return _Mix(variables, before, self._begin_mix(before, index, channel))

    def _end(self, mix: _Mix) -> tf.Tensor:
        mixed = mix.begun.finish()
        waited = seconds_until(mixed, [tf.convert_to_tensor(v) for v in mix.variables])
        for variable, old, new in zip(mix.variables, mix.before, mixed, strict=True):
            variable.assign_add(new - old)
        return waited
