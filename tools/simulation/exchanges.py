"""How neighbours' weights come in: what the project does, and variants beyond the paper.

Each is a `Rule` whose step(state, X, D, k) -> (X of the next step, state) takes all learners' weights X [n, d], the
displacements D [n, d] and the step's number; `mix(X, k)` is a `Mixer`.
"""

import numpy as np

from tfdgan.errors import UserError
from tools.simulation.rules import Rule


def plain(mix):
    """x_i <- sum_j W_ij x_j - D_i: DP-OAdam and its kin (Liu et al., NeurIPS 2020)."""
    return Rule(lambda X: None, lambda state, X, D, k: (mix(X, k) - D, None))


def after(mix):
    """x_i <- sum_j W_ij (x_j - D_j): adapt then combine, `strategies.AdaptThenCombine`."""
    return Rule(lambda X: None, lambda state, X, D, k: (mix(X - D, k), None))


def apart():
    """x_i <- x_i - D_i: no exchange. With averaged gradients this is CP, whose learners stay equal."""
    return Rule(lambda X: None, lambda state, X, D, k: (X - D, None))


def local_steps(mix, every):
    """W at steps that `every` divides, the identity at others.

    After Stich, "Local SGD converges fast and communicates little", ICLR 2019, where an all-reduce mixes.

    The schedule goes on by one an exchange, not a step: one-peer exponential would skip hops otherwise.
    """
    if every < 1:
        raise UserError(f"every={every}: mix every 1 step or more")
    return Rule(lambda X: None, lambda state, X, D, k: ((X if k % every else mix(X, k // every)) - D, None))


def delayed(mix, weight=0.5):
    """x_{k+1} = x_k + (V - I) x_{k-1} - D_k,   V = (1 - weight) I + weight W.

    Weights of one step earlier are mixed, so an exchange has two iterations' time to arrive; `strategies.Delayed` says
    where it comes from; its weight is 1/2. A mode with eigenvalue nu of V evolves by z^2 - z + (1 - nu) = 0, of modulus
    sqrt(1 - nu) where complex: it shrinks for 0 < nu < 1 only. W itself (`weight=1`) may have nu < 0 - a ring of even n
    has -1/3 - and then diverges. The mean over learners is untouched.
    """

    def step(before, X, D, k):
        return X + weight * (mix(before, max(k - 1, 0)) - before) - D, X

    return Rule(lambda X: X, step)


def wire16(mix):
    """x_i <- x_i + sum_j W_ij (Q(x_j) - Q(x_i)) - D_i, Q rounding to bfloat16: the project's 16-bit wire."""

    def step(state, X, D, k):
        rounded = to_bfloat16(X)
        return X + mix(rounded, k) - rounded - D, None

    return Rule(lambda X: None, step)


def choco(mix, compress, gamma):
    """Compressed differences with memory (Koloskova, Stich, Jaggi, "Decentralized stochastic optimization and gossip
    algorithms with compressed communication", ICML 2019, Algorithm 2):

        q_i = C(x_i - xhat_i);   xhat_i += q_i;   x_i <- x_i - D_i + gamma sum_j W_ij (xhat_j - xhat_i)

    Only q_i travels, and needs no gradient; what C left out stays in x_i - xhat_i and travels later. With C the
    identity and gamma = 1 this is `plain`. (The paper takes D off before it compresses, so nothing could overlap.)
    Everybody keeps xhat of its neighbours, so they must stay the same: for one fixed W.
    """
    if not 0 < gamma <= 1:
        raise UserError(f"gamma={gamma}: give a number above 0, at most 1")

    def step(known, X, D, k):
        known = known + compress(X - known)
        return X - D + gamma * (mix(known, k) - known), known

    return Rule(lambda X: X.copy(), step)  # all start equal, and know it


def eight_bits(block=256):
    """C(q): multiples of (largest |q| of a block) / 127, rounded to the nearest; 8 bits a number, 32 a block."""

    def compress(Q):
        n, d = Q.shape
        padded = np.pad(Q, [(0, 0), (0, -d % block)]).reshape(n, -1, block)
        scale = np.abs(padded).max(axis=2, keepdims=True) / 127
        scale = np.where(scale > 0, scale, 1)
        return (np.rint(padded / scale) * scale).reshape(n, -1)[:, :d]

    return compress


def top_fraction(fraction):
    """C(q): each learner's ceil(fraction d) entries of largest |q|, the others 0."""
    if not 0 < fraction <= 1:
        raise UserError(f"top={fraction}: give a fraction above 0, at most 1")

    def compress(Q):
        kept = int(np.ceil(fraction * Q.shape[1]))
        chosen = np.argpartition(-np.abs(Q), kept - 1, axis=1)[:, :kept]
        sparse = np.zeros_like(Q)
        np.put_along_axis(sparse, chosen, np.take_along_axis(Q, chosen, axis=1), axis=1)
        return sparse

    return compress


def to_bfloat16(X):
    """X rounded to the nearest bfloat16, ties to even, as float64: the upper half of a float32's bits."""
    bits = np.ascontiguousarray(X, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)
