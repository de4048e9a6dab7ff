"""What strategies that average weights with neighbours share."""

from tfdgan import gossip
from tfdgan.strategies.local import Local


class Mixing(Local):
    """A strategy that mixes by one schedule.

    Args:
      players: whose weights are mixed.
      schedule, rounds, backend, wire_dtype, channel: as `gossip.mix` takes them.
    """

    def __init__(self, players, *, schedule, rounds, backend, wire_dtype, channel="weights"):
        super().__init__(players)
        self._exchange = dict(schedule=schedule, rounds=rounds, backend=backend, wire_dtype=wire_dtype)
        self._channel = channel

    def lay(self, schedule):
        """Mix by another schedule from now on: in functions that are traced after this."""
        self._exchange["schedule"] = schedule

    def _begin_mix(self, values, index, channel):
        return gossip.begin(values, step=index, channel=channel, **self._exchange)

    def _begin_late(self, values, before, index, channel):
        exchange = {name: value for name, value in self._exchange.items() if name != "backend"}
        return gossip.begin_late(values, before, step=index, channel=channel, **exchange)
