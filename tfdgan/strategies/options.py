"""Options of the strategy by which learners work together."""

import dataclasses

from tfdgan.errors import UserError
from tfdgan.gossip import COMPRESSIONS, topology
from tfdgan.gossip.options import GossipOptions
from tfdgan.options import option


@dataclasses.dataclass(frozen=True)
class StrategyOptions(GossipOptions):
    """Strategy: how learners work together."""

    strategy: str = option(
        "decentralized",
        "How learners work together: centralized averages gradients over all learners; decentralized and dposg "
        "average weights with neighbours; diloco averages weights over all learners now and then, by an outer Nesterov "
        "step; local shares nothing.",
        choices=("centralized", "decentralized", "dposg", "diloco", "local"),
    )
    mix_order: str = option(
        "late",
        "late mixes the weights from before an update, behind the gradient; after mixes what the update has made "
        "(adapt then combine), and waits for the exchange.",
        choices=("late", "after"),
    )
    mix_after: str = option("step", "Mix once a step, or after each update of a player.", choices=("step", "update"))
    mix_delay: int = option(
        0,
        "With 1 the weights of the step before are mixed, so an exchange may take two steps (native backend).",
        minimum=0,
        below=2,
    )
    quasi_global: float = option(
        0.0,
        "Decay of a momentum that follows the mixed weights, under --mix_order=after; 0 keeps none.",
        minimum=0,
        below=1,
    )
    outer_every: int = option(50, "Steps between two outer steps of --strategy=diloco.", minimum=1)
    outer_rate: float = option(0.7, "Learning rate of the outer steps of --strategy=diloco.", above=0)
    outer_momentum: float = option(
        0.9, "Nesterov momentum of the outer steps of --strategy=diloco.", minimum=0, below=1
    )
    lookahead_every: int = option(
        0,
        "Steps after which all players go back a part of the way (lookahead), beside any strategy; 0: never.",
        minimum=0,
    )
    lookahead_rate: float = option(0.5, "Share of the way that --lookahead_every keeps.", above=0, below=1)
    compression: str = option(
        "none",
        "Send differences to what neighbours know: int8 rounds them to 8 bits, top_k sends the largest (fixed "
        "topologies, native backend).",
        choices=COMPRESSIONS,
    )
    top_fraction: float = option(0.01, "Share of the numbers that --compression=top_k sends.", above=0, below=1)
    consensus_rate: float = option(
        0.0,
        "How far weights go towards the neighbours' known weights under --compression; 0 stands for 1 (int8) or twice "
        "--top_fraction (top_k). A larger rate may diverge.",
        minimum=0,
    )

    @property
    def gossips(self) -> bool:
        """True if weights are averaged with neighbours."""
        return self.strategy in ("decentralized", "dposg")

    @property
    def leaves_horovod(self) -> bool:
        """True if no training step takes Horovod's collectives where the native exchange runs."""
        return self.gossips or self.strategy == "local"

    @property
    def needs_native(self) -> bool:
        """True if only the native exchange can carry this."""
        return self.gossips and (self.mix_delay > 0 or self.compression != "none")

    def check_options(self) -> None:
        if self.strategy == "centralized" and self.wire_dtype == "bfloat16":
            raise UserError("--wire_dtype=bfloat16: Horovod cannot add these; use float16 with --strategy=centralized")
        if self.rendezvous and not self.leaves_horovod:
            raise UserError(f"--rendezvous: is without Horovod, which --strategy={self.strategy} needs in its steps")
        if self.strategy == "diloco":
            self.check_wanted("--strategy=diloco: takes all learners to common weights", lookahead_every=0)
        if not self.gossips:
            return
        if self.chebyshev and self.gossip_rounds < 2:
            raise UserError(
                f"--chebyshev: weighs several rounds; --gossip_rounds={self.gossip_rounds} must be at least 2"
            )
        if self.chebyshev:
            self.check_wanted("--chebyshev: its factors enlarge what rounding loses", wire_dtype="float32")
        if self.quasi_global:
            self.check_wanted(
                f"--quasi_global={self.quasi_global:g}: follows the mixed weights", mix_order="after", lookahead_every=0
            )
        for name, off in (("mix_delay", 0), ("compression", "none")):
            value = getattr(self, name)
            if value == off:
                continue
            if self.gossip_backend not in ("auto", "native"):
                raise UserError(
                    f"--{name}={value}: needs the native exchange, not --gossip_backend={self.gossip_backend}"
                )
            self.check_wanted(f"--{name}={value}: mixes once a step", mix_after="step")
            self.check_wanted(f"--{name}={value}: mixes the weights from before the updates", mix_order="late")
            self.check_wanted(f"--{name}={value}: keeps what learners know of each other", lookahead_every=0)
        if self.compression != "none":
            self.check_wanted(
                f"--compression={self.compression}: keeps what fixed neighbours know, from the first step on",
                **dict(random_mixing=False, mix_every=1, mix_delay=0, gossip_rounds=1, wire_dtype="float32"),
                on_peer_loss="fail",
            )

    def unused_options(self) -> dict[str, str]:
        whys = {} if self.lookahead_every else {"lookahead_rate": self.as_flag("lookahead_every")}
        if self.gossip_backend not in ("auto", "native"):
            exchange = ("gossip_timeout", "on_peer_loss", "link_mbit")
            whys |= dict.fromkeys(exchange, self.as_flag("gossip_backend"))
        if self.compression == "none":
            whys |= {"consensus_rate": self.as_flag("compression")}
        if self.compression != "top_k":
            whys |= {"top_fraction": self.as_flag("compression")}
        found = set()
        if not self.gossips:
            found |= {"topology", "random_mixing", "gossip_rounds", "chebyshev", "mix_every", "mix_order", "mix_after"}
            found |= {"mix_delay", "compression", "quasi_global", "consensus_rate", "top_fraction"}
            found |= {"wire_dtype"} if self.strategy in ("local", "diloco") else set()
        if not self.leaves_horovod:
            found |= {"gossip_backend", "gossip_timeout", "on_peer_loss", "link_mbit"}
        if self.strategy != "diloco":
            found |= {"outer_every", "outer_rate", "outer_momentum"}
        return whys | dict.fromkeys(found, self.as_flag("strategy"))

    def check_learners(self, size: int) -> None:
        """Raise `UserError` if `size` learners cannot run this: the topology must exist at that size."""
        if not self.gossips:
            return
        schedule = self.schedule(size, seed=0)
        if self.compression != "none" and not schedule.is_fixed:
            raise UserError(
                f"--compression={self.compression}: --topology={self.topology} has other neighbours at each step; "
                "use a fixed one, such as ring or exponential"
            )
        if self.mix_delay:
            topology.check_delayed(schedule)
        if self.gossip_backend == "horovod_pairs" and size > 1:
            schedule.check_fixed_symmetric()
        if self.on_peer_loss == "degrade" and self.topology not in topology.NAMES and not schedule.is_symmetric:
            raise UserError(
                f"--on_peer_loss=degrade: the directed matrix {self.topology} cannot be made anew for fewer "
                "learners; use a topology by name or a symmetric matrix"
            )
