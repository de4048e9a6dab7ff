"""What strategies share if they average weights with neighbours."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfdgan import gossip
from tfdgan.errors import UserError
from tfdgan.gossip import Begun, Exchange, topology
from tfdgan.gossip.schedule import Schedule
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player


class Mixing(Strategy):
    """A strategy that mixes by one schedule.

    The second moments of the players' optimizers can be mixed too. Adam divides by their root, so learners whose second
    moments differ take steps of another shape than the mean gradient would, whatever the mean of their weights is.

    Args:
      players: whose weights are mixed.
      schedule, rounds, backend, wire_dtype, channel: as `gossip.mix` takes them.
      mix_moments: k: every k-th mix of weights mixes second moments too, by the same topology, in a message of their
        own; 0: never.

    Raises:
      UserError: second moments are to be mixed that an optimizer does not have.
    """

    def __init__(
        self,
        players: Sequence[Player],
        *,
        schedule: Schedule,
        rounds: int = 1,
        backend: str | Exchange = "auto",
        wire_dtype: str | None = None,
        channel: str = "weights",
        mix_moments: int = 0,
    ) -> None:
        super().__init__(players)
        self._schedule, self._rounds, self._backend = schedule, rounds, backend
        self._wire_dtype, self._channel = wire_dtype, channel
        self._mix_moments = mix_moments
        for player in self.players:
            player.average_among(len(schedule.ranks))
            if mix_moments and not player.second_moments:
                raise UserError(
                    f"mix_moments={mix_moments}: {type(player.optimizer).__name__} has no second moments to mix; use "
                    "OptimisticAdam (--optimizer=oadam)"
                )

    def restrict_to(self, ranks: Sequence[int]) -> bool:
        """Mix among the learners `ranks`. In a symmetric topology the lost edges' weights have gone back to self, which
        keeps the mean, so nothing changes; a directed topology is made anew among those left."""
        for player in self.players:
            player.average_among(len(ranks))
        if self._schedule.is_symmetric:
            return False
        self._schedule = topology.restrict_to(self._schedule, ranks)
        return True

    def bytes_a_step(self) -> float:
        return sum(self._bytes_of_mix(player) for player in self.players)

    def _bytes_of_mix(self, player: Player) -> float:
        """Bytes that a learner sends in one mix of a player, the mean over learners and mixes."""
        share = 1 / self._mix_moments if self._mix_moments else 0.0
        sent = self._bytes_of(player.variables) + share * self._bytes_of(player.second_moments)
        return sent * self._schedule.mean_neighbors * self._rounds

    def _bytes_of(self, variables: Sequence[keras.Variable]) -> int:
        return sum(tf.as_dtype(self._wire_dtype or v.dtype).size * v.shape.num_elements() for v in variables)

    def _moments(self, players: Sequence[Player]) -> list[keras.Variable]:
        """The second moments that are mixed beside the weights of these players."""
        return [moment for player in players for moment in player.second_moments] if self._mix_moments else []

    def _begin_mix(
        self, values: Sequence[tf.Tensor], index: tf.Tensor, channel: str, moments: Sequence[keras.Variable] = ()
    ) -> Begun:
        """Begin to mix values and, where it is their turn, moments. Results are those of values, then of moments."""
        begun = self._exchange(values, self._schedule, index, channel)
        if not moments:
            return begun
        schedule = self._schedule.thinned(self._mix_moments)
        others = self._exchange([tf.convert_to_tensor(m) for m in moments], schedule, index, f"{channel}.moments")
        return _together(begun, others)

    def _exchange(self, values: Sequence[tf.Tensor], schedule: Schedule, index: tf.Tensor, channel: str) -> Begun:
        return gossip.begin(
            values,
            schedule,
            index,
            rounds=self._rounds,
            backend=self._backend,
            wire_dtype=self._wire_dtype,
            channel=channel,
        )


def _together(first: Begun, second: Begun) -> Begun:
    """Two exchanges as one."""
    count = len(first.pending)

    @tf.autograph.experimental.do_not_convert
    def complete(pending: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return first.complete(pending[:count]) + second.complete(pending[count:])

    return Begun(first.pending + second.pending, first.started + second.started, complete)
