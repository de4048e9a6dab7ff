"""The strategy that options ask for."""

from collections.abc import Sequence

from tfdgan.gossip import compression
from tfdgan.strategies.adapt_then_combine import AdaptThenCombine
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.centralized import Centralized
from tfdgan.strategies.compressed import Compressed
from tfdgan.strategies.decentralized import Decentralized
from tfdgan.strategies.delayed import Delayed
from tfdgan.strategies.diloco import DiLoCo
from tfdgan.strategies.dposg import DPOSG
from tfdgan.strategies.local import Local
from tfdgan.strategies.lookahead import Lookahead
from tfdgan.strategies.options import StrategyOptions
from tfdgan.strategies.player import Player
from tfdgan.strategies.quasi_global import QuasiGlobalMomentum


def make(
    options: StrategyOptions, players: Sequence[Player], *, size: int, seed: int = 0, channel: str = "weights"
) -> Strategy:
    """The strategy for `players` on `size` learners.

    Args:
      options: which strategy, and how it mixes.
      players: whose weights are updated.
      size: number of learners.
      seed: of random mixing.
      channel: of the exchanges, as `gossip.mix` takes it.
    """
    made = _without_lookahead(options, players, size, seed, channel)
    if not options.lookahead_every:
        return made
    return Lookahead(made, every=options.lookahead_every, rate=options.lookahead_rate)


def _without_lookahead(
    options: StrategyOptions, players: Sequence[Player], size: int, seed: int, channel: str
) -> Strategy:
    if options.strategy == "local":
        return Local(players)
    if options.strategy == "diloco":
        every, rate, momentum = options.outer_every, options.outer_rate, options.outer_momentum
        return DiLoCo(players, every=every, rate=rate, momentum=momentum)
    if options.strategy == "centralized":
        return Centralized(players, options.wire_dtype)
    schedule = options.schedule(size, seed)
    if options.compression != "none":
        numbers = sum(v.shape.num_elements() for player in players for v in player.variables)
        code = compression.make(options.compression, numbers, options.top_fraction)
        usual = 1.0 if options.compression == "int8" else min(1.0, 2 * options.top_fraction)
        rate = options.consensus_rate or usual
        return Compressed(players, schedule=schedule, code=code, rate=rate, channel=channel)
    exchange = dict(
        schedule=schedule,
        rounds=options.gossip_rounds,
        backend=options.gossip_backend,
        wire_dtype=options.wire_dtype,
        channel=channel,
    )
    if options.strategy == "dposg":
        return DPOSG(players, **exchange)
    if options.mix_delay:
        return Delayed(players, **exchange)
    if options.mix_order == "late":
        return Decentralized(players, **exchange, mix_after=options.mix_after)
    if options.quasi_global:
        return QuasiGlobalMomentum(players, **exchange, mix_after=options.mix_after, momentum=options.quasi_global)
    return AdaptThenCombine(players, **exchange, mix_after=options.mix_after)
