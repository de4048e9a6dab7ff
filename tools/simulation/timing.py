"""When learners finish their iterations: event recursions over all learners at once, and seconds an iteration."""

import dataclasses

import numpy as np

from tfdgan.errors import UserError
from tools.simulation import cost_model

DISTRIBUTIONS = ("lognormal", "exponential")
_ITERATIONS = 30  # at least, that are averaged, after as many that are not: learners begin together


@dataclasses.dataclass(frozen=True)
class Workload:
    """What an iteration computes and what there is to send.

    Attributes:
      critic_numbers, generator_numbers: weights of either player.
      critic_steps: critic updates an iteration, beside the generator's one.
      compute: mean seconds of an iteration's gradients.
      spread: standard deviation of them, as a share of the mean.
      distribution: lognormal, or exponential: (1 - spread) compute + an exponential of mean spread compute.
      slow_learner: factor on learner 0's times.
      slow_link: factor by which learner 0's link is slower.
      arithmetic: seconds by which computing lengthens a gossip round, as if no link were busy meanwhile.
      local: seconds that taking in an exchange costs, which nothing overlaps.
      overlap: whether gradients are computed during the exchange (DP: yes; DPOSG needs the mixed weights first: no).
    """

    critic_numbers: float = 1e6
    generator_numbers: float = 1e6
    critic_steps: int = 1
    compute: float = 0.2
    spread: float = 0.1
    distribution: str = "lognormal"
    slow_learner: float = 1.0
    slow_link: float = 1.0
    arithmetic: float = 0.0
    local: float = 0.0
    overlap: bool = True

    def __post_init__(self):
        if self.distribution not in DISTRIBUTIONS:
            raise UserError(f"--stragglers={self.distribution}: choose one of {', '.join(DISTRIBUTIONS)}")
        if min(self.compute, self.spread, self.arithmetic, self.local) < 0:
            raise UserError(
                f"workload: compute {self.compute:g}, spread {self.spread:g}, arithmetic {self.arithmetic:g}, local "
                f"{self.local:g}; none may be negative"
            )
        if min(self.critic_numbers, self.generator_numbers) < 0:
            raise UserError(
                f"workload: {self.critic_numbers:g} and {self.generator_numbers:g} weights; neither may be negative"
            )
        if min(self.slow_learner, self.slow_link) < 1 or self.critic_steps < 1:
            raise UserError(
                f"workload: slow_learner {self.slow_learner:g}, slow_link {self.slow_link:g}, critic_steps "
                f"{self.critic_steps}; none may be below 1"
            )
        most = 1 / np.sqrt(self.critic_steps + 1)
        if self.distribution == "exponential" and self.spread > most:
            raise UserError(
                f"--spread={self.spread:g}: at most {most:.3g} of {self.critic_steps + 1} exponential updates a step"
            )


def compute_times(workload, learners, iterations, random):
    """Seconds of each update's gradient: [iterations, critic_steps + 1, learners]; an iteration has mean `compute`.

    Updates vary one by one, each by spread sqrt(updates), so that the sum varies by `spread`.
    """
    updates = workload.critic_steps + 1
    shape = (iterations, updates, learners)
    spread = workload.spread * np.sqrt(updates)
    if workload.distribution == "lognormal":
        width = np.sqrt(np.log1p(spread**2))
        times = np.exp(width * random.standard_normal(shape) - width**2 / 2)
    else:
        times = 1 - spread + spread * random.exponential(size=shape)
    times *= workload.compute / updates
    times[:, :, 0] *= workload.slow_learner
    return times


def centralized(workload, learners, network, times, tree=False, bits=32.0):
    """Seconds at which everybody has finished each iteration: [iterations].

    Every update waits for the slowest learner, then for the reduction, which no computation overlaps.
    """
    slowest = dataclasses.replace(network, rate=network.rate / workload.slow_link)
    reduce = cost_model.tree_allreduce_seconds if tree else cost_model.allreduce_seconds
    players = workload.critic_numbers, workload.generator_numbers, workload.critic_steps
    reductions = cost_model.reductions_seconds(learners, *players, slowest, reduce, bits) if learners > 1 else 0.0
    return np.cumsum(times.max(axis=2).sum(axis=1) + reductions)


def gossip(setup, schedule, workload, network, times):
    """Seconds at which each learner has finished each iteration: [iterations, n].

        t_i(k+1) = max(t_i(k) + c_i(k), max_{j in N_i(k)} (s_j(k) + delay) + arithmetic) + local
        s_j(k) = max(t_j(k), s_j(k-1)) + degree_j numbers bits / rate

    s_j: when the last of j's messages has left, after those of the iteration before. Several rounds follow one another,
    each waiting for that round's neighbours. Without overlap, c is added to the maximum, not within it. Delayed mixing
    waits for what neighbours sent an iteration earlier: in a steady state
    max(c + local, L, (L + delay + arithmetic + local) / 2) an iteration, L the sending.
    """
    links = [_Links(W, setup, workload, network) for W in schedule.matrices]
    t = np.zeros(schedule.size)
    sent, arrived_before, finished = np.zeros_like(t), np.zeros_like(t), []
    overlaps = workload.overlap and setup.variant != "after"  # which mixes what has been computed
    for k, computing in enumerate(times.sum(axis=1)):
        here = t
        if k % setup.every == 0:
            order = schedule.permutation(k // setup.every)
            for number in range(setup.rounds):
                index = (k // setup.every) * setup.rounds + number
                sent, arrived = links[index % schedule.period](here, sent, order)
                here = np.maximum(here, arrived)
        if setup.variant == "delayed":
            here, arrived_before = np.maximum(t, arrived_before), here
        t = np.maximum(t + computing, here) if overlaps else here + computing
        t = t + workload.local
        finished.append(t)
    return np.array(finished)


class _Links:
    """One round over a matrix's edges: (begin [n], sent [n], order) -> (sent [n], arrived [n])."""

    def __init__(self, W, setup, workload, network):
        edges = (W != 0) & ~np.eye(len(W), dtype=bool)  # [i, j]: j sends to i
        degree = np.maximum(edges.sum(axis=0), edges.sum(axis=1))
        numbers = workload.critic_numbers + workload.generator_numbers
        self._busy = cost_model.sending_seconds(1, numbers, setup.bits, network) * degree
        self._after, self._slow_link = network.delay + workload.arithmetic, workload.slow_link
        self._alone = ~edges.any(axis=1)
        sources = max(1, int(edges.sum(axis=1).max()))
        self._from = np.repeat(np.arange(len(W))[:, np.newaxis], sources, axis=1)  # padded with the learner itself
        for i, row in enumerate(edges):
            neighbours = np.flatnonzero(row)
            self._from[i, : len(neighbours)] = neighbours
        self._own = self._from == np.arange(len(W))[:, np.newaxis]

    def __call__(self, begin, sent, order):
        """Row i of a relabelled matrix is row order[i] of the one given."""
        busy = self._busy[order]
        busy[0] *= self._slow_link
        sent = np.maximum(begin, sent) + busy
        at = np.empty_like(sent)
        at[order] = sent + self._after
        arrived = np.where(self._own, -np.inf, at[self._from]).max(axis=1)
        return sent, np.where(self._alone, 0.0, arrived)[order]


def seconds_an_iteration(setup, learners, workload, network, *, seed=0):
    """Mean seconds from one iteration to the next in the second half of a recursion, of whole periods of `every`.

    Of the learner that is last: what holds up one learner takes as many iterations to reach another as there are hops
    between them, and then that one, too.
    """
    half = setup.every * -(-_ITERATIONS // setup.every)
    random = np.random.default_rng([seed, 5])
    times = compute_times(workload, learners, 2 * half, random)
    if setup.centralized:
        finished = centralized(workload, learners, network, times, tree=setup.variant == "tree", bits=setup.bits)
    elif learners == 1:
        finished = np.cumsum(times.sum(axis=1))
    else:
        finished = gossip(setup, setup.schedule(learners, seed), workload, network, times).max(axis=1)
    return float((finished[-1] - finished[half - 1]) / half)
