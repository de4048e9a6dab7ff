"""Options of neighbour averaging."""

import dataclasses
import os

from tfdgan.errors import UserError
from tfdgan.gossip import BACKENDS, MOST_ROUNDS, WIRE_DTYPES, WIRE_SECURITIES, topology
from tfdgan.gossip.schedule import Schedule
from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class GossipOptions(Options):
    """Gossip: who averages with whom, and what carries the exchange."""

    topology: str = option(
        "ring", f"Who talks to whom: {', '.join(topology.NAMES)}, or a .npy file of a matrix.", path=True
    )
    random_mixing: bool = option(False, "Relabel the learners of the topology at random in every step.")
    gossip_rounds: int = option(1, "Gossip rounds of one mix.", minimum=1)
    chebyshev: bool = option(
        False, "Weigh several gossip rounds so that they mix best together (symmetric topologies)."
    )
    mix_every: int = option(
        1,
        "Mix at every k-th step only (with --mix_after=update: at every k-th update of a player). The backend horovod "
        "waits for all learners at every step all the same.",
        minimum=1,
    )
    gossip_backend: str = option("auto", "What carries the exchange.", choices=BACKENDS, free=True)
    gossip_timeout: float = option(
        60.0,
        "Seconds without a sign of a neighbour after which the neighbour counts as lost (native backend).",
        above=0,
        below=1e6,
        free=True,
    )
    on_peer_loss: str = option(
        "fail",
        "When a neighbour is lost: fail, or degrade, which gives the lost weight back to self and goes on (native "
        "backend).",
        choices=("fail", "degrade"),
        free=True,
    )
    link_mbit: float = option(
        0.0,
        "Mbit/s that the link of this host sends; the learners of the host share the rate and send no faster. 0 lets "
        "TCP find the rate, which costs time (native backend).",
        minimum=0,
        below=1e6,
        local=True,
    )
    wire_security: str = option(
        "auto",
        "What protects the exchange on the network. auto encrypts between hosts where OpenSSL is, and leaves the "
        "exchange within a host alone; encrypted is an error without OpenSSL (native backend).",
        choices=WIRE_SECURITIES,
        free=True,
    )
    wire_key_file: str = option(
        "",
        "A file of mode 0600 with the exchange's key, 64 hexadecimal digits (openssl rand -hex 32), a copy on each "
        "host. Without a file learner 0 draws a key, which Horovod or the rendezvous carries unencrypted (native "
        "backend).",
        local=True,
        path=True,
    )
    rendezvous: str = option(
        "",
        "HOST:PORT of learner 0, where learners meet without Horovod and without a launcher; then each is started by "
        "hand, with --learner and --learners (native backend).",
        once=True,
    )
    learner: int = option(
        -1,
        "Number of this learner, from 0, under --rendezvous or --join; -1: as the launcher says.",
        minimum=-1,
        once=True,
    )
    learners: int = option(
        0, "Number of learners under --rendezvous; 0: as the launcher says.", minimum=0, below=10_000, once=True
    )
    join: str = option(
        "",
        "Take a free place in a running job and start from the state of a neighbour: HOST:PORT of any lobby, or the "
        "roster.json of a workdir. --learner asks for one place (native backend, --on_peer_loss=degrade).",
        once=True,
        path=True,
    )
    gossip_listen: str = option(
        "",
        "Where to listen, ADDRESS:PORT or :PORT, such as :7000; further learners of a host take the next ports. "
        "Without a value: any port of Horovod's interface (native backend).",
        local=True,
    )
    gossip_advertise: str = option(
        "",
        "HOST:PORT by which learners of other hosts reach this one, where a router forwards a port; further learners "
        "of a host are at the next ports (native backend).",
        local=True,
    )
    gossip_memory: int = option(
        256,
        "MiB that neighbours may send ahead of what is mixed. A long fast link needs rate times round trip for each "
        "neighbour: 25 at 1 Gbit/s and 200 ms (native backend).",
        minimum=8,
        below=1 << 20,
        local=True,
    )
    gossip_shared_memory: str = option(
        "auto",
        "Whether learners of one host exchange by memory that they share, where the exchange is not sealed; off: by "
        "TCP (native backend).",
        choices=("auto", "off"),
        local=True,
    )
    wire_dtype: str = option(
        "float32", "Type of numbers on the wire: weights, or gradients (centralized).", choices=WIRE_DTYPES
    )

    def check_options(self) -> None:
        if self.topology not in topology.NAMES and not self.topology.endswith(".npy"):
            raise UserError(f"--topology={self.topology}: choose one of {', '.join(topology.NAMES)}, or a .npy file")
        if self.gossip_rounds > MOST_ROUNDS:
            raise UserError(f"--gossip_rounds={self.gossip_rounds}: must be at most {MOST_ROUNDS}")
        if not (self.rendezvous or self.join) and (self.learner >= 0 or self.learners):
            name, value = ("learner", self.learner) if self.learner >= 0 else ("learners", self.learners)
            raise UserError(f"--{name}={value}: learners are counted by the launcher; without one give --rendezvous")
        if self.rendezvous and self.gossip_backend not in ("auto", "native"):
            raise UserError(f"--rendezvous: is without Horovod, which --gossip_backend={self.gossip_backend} needs")
        if self.join and self.on_peer_loss != "degrade":
            raise UserError(
                f"--join: others let nobody in with --on_peer_loss={self.on_peer_loss}; give --on_peer_loss=degrade"
            )
        if self.on_peer_loss == "degrade" and self.gossip_backend not in ("auto", "native"):
            raise UserError(
                f"--on_peer_loss=degrade: Horovod ends with any learner, so --gossip_backend={self.gossip_backend} "
                "cannot go on without one; use native"
            )

    def place(self, rank: int | None, size: int | None) -> tuple[int, int]:
        """(rank, size) of this learner: as --learner and --learners say, else as the launcher does, if there is one."""
        rank, size = (rank if self.learner < 0 else self.learner), self.learners or size
        if rank is None or size is None:
            raise UserError("--rendezvous: give --learners, how many there are, and to each its --learner, from 0")
        if rank >= size:
            raise UserError(f"--learner={rank}: with --learners={size} learners are numbered from 0 to {size - 1}")
        return rank, size

    def check_topology_file(self) -> None:
        """Raise `UserError` if the topology is a file that does not exist."""
        if self.topology not in topology.NAMES and not os.path.isfile(self.topology):
            raise UserError(f"--topology={self.topology}: no such file")

    def schedule(self, size: int, seed: int) -> Schedule:
        """The mixing schedule for `size` learners; relabellings are drawn from `seed`."""
        return topology.make_schedule(
            self.topology,
            size,
            random=self.random_mixing,
            seed=seed,
            every=self.mix_every,
            chebyshev_rounds=self.gossip_rounds if self.chebyshev else 0,
        )
