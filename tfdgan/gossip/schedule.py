"""Which mixing matrix is used at which step."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tfdgan.errors import UserError
from tfdgan.gossip import philox


class Schedule:
    """A sequence of mixing matrices, a function of the step alone and so the same on every learner.

    Step k with t gossip rounds uses, in this order, the matrices of sub-steps k t, k t + 1, ..., k t + t - 1
    of a table that repeats. A fixed topology has a table of one matrix. A random schedule relabels the
    learners by one permutation p a step, W_k[i, j] = W[p(i), p(j)], drawn from (seed, k). A schedule that mixes
    every m-th step has the identity at the others, and counts only steps at which it mixes: k stands for k / m.
    (After Stich, "Local SGD converges fast and communicates little", ICLR 2019, where an all-reduce mixes.)

    Attributes:
      name: what the topology is called.
      matrices: float64 [period, size, size], each doubly stochastic.
      random, seed: whether the learners are relabelled, and from which seed.
      every: mixes at steps 0, every, 2 every, ...
      rounds: how many gossip rounds a step the matrices are made for, of which a step uses them all; 0: any number.
      ranks: int [k], the learners that take part, ascending; the others keep to themselves and are not relabelled.
    """

    def __init__(
        self,
        name: str,
        matrices: npt.ArrayLike,
        *,
        random: bool = False,
        seed: int = 0,
        every: int = 1,
        rounds: int = 0,
        ranks: Sequence[int] | None = None,
    ) -> None:
        self.name = name
        self.matrices = np.asarray(matrices, dtype=np.float64)
        self.matrices.setflags(write=False)
        self.random = bool(random)
        self.seed = int(seed)
        self.every = int(every)
        self.rounds = int(rounds)
        self.ranks = np.arange(self.size) if ranks is None else np.array(ranks)

    def __repr__(self) -> str:
        return (
            f"Schedule({self.name!r}, size={self.size}, period={self.period}, random={self.random}, seed={self.seed}, "
            f"every={self.every})"
        )

    @property
    def size(self) -> int:
        """The number of learners."""
        return self.matrices.shape[1]

    @property
    def period(self) -> int:
        """After how many sub-steps the table of matrices repeats."""
        return self.matrices.shape[0]

    @property
    def is_fixed(self) -> bool:
        """True if every step uses the same matrix."""
        return self.period == 1 and not self.random and self.every == 1

    @property
    def is_symmetric(self) -> bool:
        """True if every matrix equals its transpose."""
        return bool(np.allclose(self.matrices, self.matrices.transpose(0, 2, 1), rtol=0, atol=1e-12))

    @property
    def mean_neighbors(self) -> float:
        """To how many others a learner sends in a gossip round: the mean over learners and steps."""
        others = np.count_nonzero(self.matrices, axis=(1, 2)) - np.count_nonzero(
            np.diagonal(self.matrices, axis1=1, axis2=2), axis=1
        )
        return float(others.mean()) / self.size / self.every

    def check_fixed_symmetric(self) -> None:
        """Raise `UserError` unless this is one fixed symmetric matrix, as the backend horovod_pairs needs."""
        if not (self.is_fixed and self.is_symmetric):
            varying = "mixed by other weights each round" if self.rounds else "time-varying"
            kind = "random" if self.random else varying if self.period > 1 else "directed"
            kind = f"mixed every {self.every} steps only" if self.every > 1 else kind
            raise UserError(
                f"gossip backend horovod_pairs: the topology {self.name} is {kind}; it needs a fixed symmetric one, "
                "use the backend horovod"
            )

    def permutation(self, step: int) -> np.ndarray:
        """p at this step: int64 [size]; the identity unless the schedule is random."""
        order = np.arange(self.size)
        if self.random:
            order[self.ranks] = self.ranks[philox.permutation(self.seed, step // self.every, len(self.ranks))]
        return order

    def matrix(self, step: int, rounds: int = 1) -> np.ndarray:
        """M of `rounds` gossip rounds at `step`: float64 [size, size]; the last round is the leftmost factor."""
        if rounds < 1:
            raise UserError(f"gossip rounds: {rounds}; at least 1")
        product = np.eye(self.size)
        if step % self.every:
            return product
        turn = step // self.every
        for index in range(turn * rounds, (turn + 1) * rounds):
            product = self.matrices[index % self.period] @ product
        order = self.permutation(step)
        return product[np.ix_(order, order)]

    def peers(self, step: int, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...], float]:
        """Whom learner `rank` talks to in one round at `step`.

        Returns:
          (send_to, receive_from, weights, self_weight): ranks to send to and to receive from, ascending;
          the weights W[rank, j] in the order of `receive_from`; W[rank, rank].
        """
        if not 0 <= rank < self.size:
            raise UserError(f"rank {rank}: this schedule has {self.size} learners")
        W = self.matrix(step)
        send = tuple(int(j) for j in np.flatnonzero(W[:, rank]) if j != rank)
        receive = tuple(int(j) for j in np.flatnonzero(W[rank]) if j != rank)
        return send, receive, tuple(float(W[rank, j]) for j in receive), float(W[rank, rank])
