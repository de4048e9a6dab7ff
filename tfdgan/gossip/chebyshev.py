"""Gossip rounds that together mix best: Chebyshev polynomials of a mixing matrix. NumPy only."""

import numpy as np

from tfdgan.errors import UserError


def accelerated(matrices: np.ndarray, rounds: int, label: str) -> np.ndarray:
    """The `factors` of a topology's one matrix, or at 0 rounds the topology's matrices unchanged: [period, n, n]."""
    if not rounds:
        return matrices
    if len(matrices) > 1 or not np.allclose(matrices[0], matrices[0].T, rtol=0, atol=1e-12):
        raise UserError(
            f"topology {label}: Chebyshev acceleration needs one symmetric matrix; use ring, torus, hypercube, star, "
            "or leave it out"
        )
    return factors(matrices[0], rounds)


def factors(W: np.ndarray, rounds: int) -> np.ndarray:
    """Factors whose product P(W) mixes best among the polynomials of W of degree t that keep the mean.

        P(W) = T_t(Y) / T_t(y_1) = prod_i (W - r_i I) / (1 - r_i)
        r_i = (a + b) / 2 + (b - a) / 2 cos((2 i - 1) pi / (2 t))

    where a and b are the smallest and the second largest eigenvalue of W, Y = (2 W - (a + b) I) / (b - a), y_1 the same
    with 1 in W's place, T_t the Chebyshev polynomial and t the gossip rounds (Golub and Varga, "Chebyshev
    semi-iterative methods", 1961; for gossip Scaman et al., "Optimal algorithms for smooth and strongly convex
    distributed optimization in networks", ICML 2017).

    After all t rounds the largest difference between learners is 1 / T_t(y_1) of what it was; plain rounds leave b^t of
    it. Plain rounds shrink some differences faster than b^t: a difference along an eigenvector of eigenvalue 0 vanishes
    in one round. The polynomial may leave 1 / T_t(y_1) of such differences too. A factor's rows and columns sum to 1,
    but entries may be negative, and a round by itself may enlarge differences: on a ring of 32 up to 12-fold within 8
    rounds, 20-fold within 16. The rounding errors of a 16-bit wire are enlarged in the same way.

    Args:
      W: symmetric mixing matrix, float64 [n, n].
      rounds: t.

    Returns:
      float64 [t, n, n], first round first.

    Raises:
      UserError: W does not connect everybody.
    """
    if len(W) == 1:
        return np.ones([rounds, 1, 1])
    eigenvalues = np.linalg.eigvalsh(W)
    a, b = eigenvalues[0], eigenvalues[-2]
    if b > 1 - 1e-9:
        raise UserError("topology: Chebyshev rounds of a graph in parts, which does not mix; connect all learners")
    roots = list((a + b) / 2 + (b - a) / 2 * np.cos((2 * np.arange(1, rounds + 1) - 1) * np.pi / (2 * rounds)))
    # Each next root is the one farthest from those before (Leja's order), which keeps partial products small.
    ordered = [roots.pop()]
    while roots:
        distances = [np.prod([abs(root - other) + 1e-300 for other in ordered]) for root in roots]
        ordered.append(roots.pop(int(np.argmax(distances))))
    return np.stack([(W - root * np.eye(len(W))) / (1 - root) for root in ordered])
