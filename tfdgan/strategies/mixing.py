"""What strategies share if they average weights with neighbours."""

from collections.abc import Sequence

import tensorflow as tf

from tfdgan import gossip
from tfdgan.gossip import Begun, Exchange, topology
from tfdgan.gossip.schedule import Schedule
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.player import Player


class Mixing(Strategy):
    """A strategy that mixes by one schedule.

    Args:
      players: whose weights are mixed.
      schedule, rounds, backend, wire_dtype, channel: as `gossip.mix` takes them.
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
    ) -> None:
        super().__init__(players)
        self._whole = self._schedule = schedule
        self._rounds, self._backend = rounds, backend
        self._wire_dtype, self._channel = wire_dtype, channel
        for player in self.players:
            player.average_among(len(schedule.ranks))

    def restrict_to(self, ranks: Sequence[int]) -> bool:
        """Mix among the learners `ranks`. In a symmetric topology the lost edges' weights have gone back to self, which
        keeps the mean, so nothing changes; a directed topology is made anew among these."""
        for player in self.players:
            player.average_among(len(ranks))
        if self._whole.is_symmetric:
            return False
        self._schedule = topology.restrict_to(self._whole, ranks)
        return True

    def bytes_a_step(self) -> float:
        return sum(self._bytes_of_mix(player) for player in self.players)

    def _bytes_of_mix(self, player: Player) -> float:
        """Bytes that a learner sends in one mix of a player's weights, the mean over learners and mixes."""
        sizes = (tf.as_dtype(self._wire_dtype or v.dtype).size * v.shape.num_elements() for v in player.values())
        return sum(sizes) * self._schedule.mean_neighbors * self._rounds

    def _begin_mix(self, values: Sequence[tf.Tensor], index: tf.Tensor, channel: str) -> Begun:
        return gossip.begin(
            values,
            self._schedule,
            index,
            rounds=self._rounds,
            backend=self._backend,
            wire_dtype=self._wire_dtype,
            channel=channel,
        )
