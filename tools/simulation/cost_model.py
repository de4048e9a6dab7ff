"""Seconds of an exchange, by formulas: bytes, rates, delays, and Horovod's negotiation.

All links are full duplex and equal: `Network.rate` bit/s each way, `Network.delay` seconds one way. What this leaves
out: packet headers, slow start and loss of TCP, contention inside the network, and time for arithmetic.
"""

import dataclasses
import math

from tfdgan.errors import UserError

CYCLE = 1e-3  # s, Horovod's cycle time
_SEGMENT = 2**20  # bytes, at most, of a segment of Gloo's ring

# (learners, float32 numbers) -> seconds of a Horovod allreduce over Gloo, measured on `MEASURED_NETWORK`.
MEASURED_ALLREDUCE = {(4, 1_000): 0.497, (4, 1_000_000): 0.863, (8, 1_000): 1.046, (8, 1_000_000): 1.447}


@dataclasses.dataclass(frozen=True)
class Network:
    """rate: bit/s of a learner's link, each way; delay: seconds from one learner to another."""

    name: str
    rate: float
    delay: float

    def __post_init__(self):
        if not self.rate > 0:
            raise UserError(f"network {self.name}: a rate of {self.rate:g} bit/s; give one above 0")
        if not self.delay >= 0:
            raise UserError(f"network {self.name}: a delay of {self.delay:g} s; give one of at least 0")


NETWORKS = {
    "data-centre": Network("data-centre", 10e9, 0.1e-3),
    "cross-region": Network("cross-region", 1e9, 30e-3),
    "home": Network("home", 20e6, 20e-3),
}
MEASURED_NETWORK = Network("measured", 100e6, 20e-3)


def sending_seconds(messages, numbers, bits, network):
    """Seconds that this many messages of `numbers` numbers keep a learner's link busy: messages numbers bits / rate.

    Two neighbours, 1,000,000 numbers of 32 bits, 100 Mbit/s: 0.64 s; one, 16 bits: 0.16 s.
    """
    if min(messages, numbers, bits) < 0:
        raise UserError(f"an exchange of {messages} messages of {numbers} numbers of {bits} bits; none may be negative")
    return messages * numbers * bits / network.rate


def ring_allreduce_seconds(learners, numbers, network, bits=32.0):
    """Gloo's ring allreduce alone, without negotiation.

    2 (n - 1) steps, each a chunk of B / n bytes to the next learner: c = B / (n rate) seconds of the link. A chunk is
    cut into m segments (2, or more so that none is above 1 MiB), two of them under way at a time (gloo/allreduce.cc),
    so a step takes max(c, (c + m delay) / 2): the delay of one segment hides behind the other's sending. Small tensors
    take 2 (n - 1) delay, large ones 2 (n - 1) / n B / rate + delay.
    """
    if learners == 1:
        return 0.0
    steps, chunk = 2 * (learners - 1), sending_seconds(1, numbers, bits, network) / learners
    segments = max(2, math.ceil(numbers * bits / 8 / learners / _SEGMENT))
    waiting = steps * (chunk + segments * network.delay) / 2
    return max(steps * chunk + network.delay, waiting + chunk / segments)


def negotiation_seconds(learners, network, control_rounds):
    """control_rounds (2 (n - 1) delay + cycle): what Horovod does before it reduces.

    Its Gloo controller agrees on what is ready by a ring allreduce of a bit vector in every cycle
    (GlooController::CrossRankBitwiseAnd), 2 (n - 1) messages one after the other. A tensor waits for the cycle under
    way to end and for one or two of its own; how many in all is measured, see `CONTROL_ROUNDS`.
    """
    return 0.0 if learners == 1 else control_rounds * (2 * (learners - 1) * network.delay + CYCLE)


def fit_control_rounds(measured=None, network=MEASURED_NETWORK):
    """The number of control rounds with the least sum of squared relative errors over the measured allreduces.

    The model is linear in it, seconds = ring + rounds * one round: least squares with weights 1 / measured^2.
    """
    over = under = 0.0
    for (learners, numbers), seconds in (measured or MEASURED_ALLREDUCE).items():
        one = negotiation_seconds(learners, network, 1) / seconds
        rest = 1 - ring_allreduce_seconds(learners, numbers, network) / seconds
        over, under = over + one * rest, under + one * one
    return over / under


# 2.95 by the four measurements above, which the model then meets within 6%. Two numbers of learners and one delay stand
# behind it: above 8 learners, that it grows as n - 1 is Gloo's algorithm and no measurement.
CONTROL_ROUNDS = fit_control_rounds()


def allreduce_seconds(learners, numbers, network, bits=32.0, control_rounds=CONTROL_ROUNDS):
    """A Horovod allreduce over Gloo: negotiation and ring."""
    ring = ring_allreduce_seconds(learners, numbers, network, bits)
    return negotiation_seconds(learners, network, control_rounds) + ring


def tree_allreduce_seconds(learners, numbers, network, bits=32.0):
    """The best a reduction could do: 2 ceil(log2 n) delays and 2 (n - 1) / n of the bytes, nothing negotiated.

    Recursive halving and doubling (Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in
    MPICH", 2005). Horovod over Gloo does not do it; it is here so that gossip has the strongest rival.
    """
    share = 2 * (learners - 1) / learners
    return 2 * math.ceil(math.log2(learners)) * network.delay + sending_seconds(share, numbers, bits, network)


def reductions_seconds(
    learners, critic_numbers, generator_numbers, critic_steps, network, reduce=allreduce_seconds, bits=32.0
):
    """All reductions of a centralised step: critic_steps of the critic's gradients and one of the generator's."""
    critic, generator = (reduce(learners, numbers, network, bits) for numbers in (critic_numbers, generator_numbers))
    return critic_steps * critic + generator
