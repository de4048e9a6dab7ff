"""How gradients become new weights, alone or together.

A trainer calls, each step: `begin_step`; for each update `begin_update`, then the gradient's computation, then
`apply`; `end_step`. What can travel while a gradient is computed starts in the first two and is awaited in the
last two.
"""

from tfdgan.strategies.centralized import Centralized
from tfdgan.strategies.compressed import Compressed, code_for
from tfdgan.strategies.decentralized import Decentralized
from tfdgan.strategies.delayed import Delayed
from tfdgan.strategies.dposg import DPOSG
from tfdgan.strategies.local import Local
from tfdgan.strategies.player import Player

__all__ = ["DPOSG", "Centralized", "Compressed", "Decentralized", "Delayed", "Local", "Player", "make"]


def make(config, players, size, channel="weights"):
    """The `Strategy` that `config.strategy` names, for `players` on `size` learners; `channel`: of its exchanges, as
    `gossip.mix` takes it."""
    if config.strategy == "local":
        return Local(players)
    if config.strategy == "centralized":
        return Centralized(players, config.wire_dtype)
    if config.compression != "none":
        code = code_for(players, config.compression, config.top_fraction)
        usual = 1.0 if config.compression == "int8" else min(1.0, 2 * config.top_fraction)
        rate = config.consensus_rate or usual
        return Compressed(players, schedule=config.schedule(size), code=code, rate=rate, channel=channel)
    exchange = dict(
        schedule=config.schedule(size),
        rounds=config.gossip_rounds,
        backend=config.gossip_backend,
        wire_dtype=config.wire_dtype,
        channel=channel,
    )
    if config.strategy == "dposg":
        return DPOSG(players, **exchange)
    if config.mix_delay:
        return Delayed(players, **exchange)
    return Decentralized(players, **exchange, mix_after=config.mix_after)
