"""Communication graphs and their mixing matrices: pure NumPy, no communication.

A mixing matrix W is doubly stochastic, [size, size], float64; learner i replaces its weights by
sum_j W[i, j] x_j. The rate at which repeated mixing forgets differences is its second largest |eigenvalue|;
`spectral_gap` is one minus that.

Undirected graphs take Metropolis-Hastings weights, W_ij = 1 / (1 + max(d_i, d_j)) for an edge, the rest on
the diagonal (Xiao and Boyd, "Fast linear iterations for distributed averaging", 2004). The exponential graphs
are those of Assran et al., "Stochastic gradient push", ICML 2019, and Ying et al., "Exponential graph is
provably efficient for decentralized deep training", NeurIPS 2021.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import networkx as nx
import numpy as np
import numpy.typing as npt

from tfdgan.errors import UserError
from tfdgan.gossip import chebyshev
from tfdgan.gossip.schedule import Schedule

_TOLERANCE = 1e-8

# What names a topology: one of `NAMES`, the path of a .npy file, an undirected graph, or a matrix.
Topology: TypeAlias = str | os.PathLike[str] | nx.Graph | np.ndarray | Sequence[Sequence[float]]


def metropolis_hastings(graph: nx.Graph) -> np.ndarray:
    """Mixing matrix of an undirected simple networkx graph on nodes 0..n-1: [n, n], symmetric."""
    size = graph.number_of_nodes()
    degree = dict(graph.degree())
    W = np.zeros((size, size))
    for i, j in graph.edges():
        W[i, j] = W[j, i] = 1.0 / (1 + max(degree[i], degree[j]))
    W[np.diag_indices(size)] = 1.0 - W.sum(axis=1)
    return W


def _circulant(size: int, hops: Sequence[int], weight: float) -> np.ndarray:
    """Learner i receives `weight` from i - hop for every hop; the rest stays with it."""
    W = np.zeros((size, size))
    ranks = np.arange(size)
    for hop in hops:
        W[ranks, (ranks - hop) % size] += weight
    W[ranks, ranks] += 1.0 - weight * len(hops)
    return W


def _hop_count(size: int) -> int:
    """ceil(log2(size)): how many powers of two are smaller than `size`."""
    return (size - 1).bit_length()


def _torus_sides(size: int) -> tuple[int, int]:
    """The most nearly square rows x columns = size with at least two rows."""
    for rows in range(int(size**0.5), 1, -1):
        if size % rows == 0:
            return rows, size // rows
    raise UserError(
        f"topology torus: {size} learners make no grid of at least 2 x 2; use a composite number or --topology=ring"
    )


def _ring(size: int) -> list[np.ndarray]:
    return [metropolis_hastings(nx.cycle_graph(size) if size > 2 else nx.path_graph(size))]


def _torus(size: int, rows: int | None = None) -> list[np.ndarray]:
    if rows is not None and not isinstance(rows, int):
        raise UserError(f"topology torus: rows is {rows!r}; give a whole number")
    if rows is None:
        rows, columns = _torus_sides(size)
    elif 2 <= rows < size and size % rows == 0 and size // rows >= 2:
        columns = size // rows
    else:
        raise UserError(f"topology torus: {size} learners do not make {rows} rows of at least 2; choose a divisor")
    grid = nx.Graph()
    for r in range(rows):
        for c in range(columns):
            grid.add_edge(r * columns + c, r * columns + (c + 1) % columns)
            grid.add_edge(r * columns + c, ((r + 1) % rows) * columns + c)
    return [metropolis_hastings(_ordered(grid))]


def _hypercube(size: int) -> list[np.ndarray]:
    if size & (size - 1):
        raise UserError(f"topology hypercube: {size} learners are no power of two; use 2, 4, 8, ... learners")
    graph = nx.empty_graph(size)
    graph.add_edges_from((i, i ^ (1 << b)) for i in range(size) for b in range(size.bit_length() - 1))
    return [metropolis_hastings(graph)]


def _exponential(size: int) -> list[np.ndarray]:
    hops = _hop_count(size)
    return [_circulant(size, [2**j for j in range(hops)], 1.0 / (1 + hops))]


def _one_peer_exponential(size: int) -> list[np.ndarray]:
    return [_circulant(size, [2**j], 0.5) for j in range(_hop_count(size))]


def _matching(size: int) -> list[np.ndarray]:
    """Round-robin pairings by the circle method: everybody meets everybody once a period."""
    players: list[int | None] = [*range(size), *([None] if size % 2 else [])]
    matrices = []
    for _ in range(len(players) - 1):
        W = np.eye(size)
        for a, b in zip(players[: len(players) // 2], reversed(players), strict=False):
            if a is not None and b is not None:
                W[[a, a, b, b], [a, b, a, b]] = 0.5
        matrices.append(W)
        players = [players[0], players[-1], *players[1:-1]]
    return matrices


_TOPOLOGIES: dict[str, Callable[..., list[np.ndarray]]] = {
    "ring": _ring,
    "exponential": _exponential,
    "one_peer_exponential": _one_peer_exponential,
    "torus": _torus,
    "hypercube": _hypercube,
    "complete": lambda size: [np.full((size, size), 1.0 / size)],
    "star": lambda size: [metropolis_hastings(nx.star_graph(size - 1))],
    "matching": _matching,
}
NAMES = tuple(_TOPOLOGIES)


def _ordered(graph: nx.Graph) -> nx.Graph:
    """`graph` with its nodes renamed to 0..n-1 in sorted order, as an undirected simple graph."""
    if graph.is_directed():
        raise UserError(
            "topology: a directed networkx graph has no doubly stochastic weights of its own; give a matrix"
        )
    nodes = sorted(graph.nodes())
    simple = nx.Graph(nx.relabel_nodes(graph, dict(zip(nodes, range(len(nodes)), strict=True))))
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    ordered = nx.empty_graph(len(nodes))
    ordered.add_edges_from(simple.edges())
    return ordered


def _read_matrix(path: str) -> np.ndarray:
    if not os.path.isfile(path):
        raise UserError(f"topology {path!r}: no such name or file; choose one of {', '.join(NAMES)} or a .npy file")
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"topology {path!r}: not a readable .npy file ({error})") from error


def _as_array(rows: npt.ArrayLike) -> np.ndarray:
    try:
        return np.asarray(rows)
    except ValueError as error:
        raise UserError(f"topology matrix: its rows differ in length ({error})") from error


def check_mixing_matrix(W: npt.ArrayLike, size: int, name: str = "matrix") -> np.ndarray:
    """Return W as float64 [size, size], or raise `UserError` unless it is doubly stochastic."""
    W = np.asarray(W)
    if W.dtype.kind not in "fiu":
        raise UserError(f"topology {name}: the matrix holds {W.dtype}, not real numbers")
    W = W.astype(np.float64)
    if W.shape != (size, size):
        raise UserError(f"topology {name}: the matrix is {'x'.join(map(str, W.shape))}, but there are {size} learners")
    if not np.isfinite(W).all() or (W < -_TOLERANCE).any():
        raise UserError(f"topology {name}: the matrix has negative or non-finite entries (smallest {W.min():.3g})")
    for axis, kind in ((1, "row"), (0, "column")):
        sums = W.sum(axis=axis)
        worst = int(np.argmax(np.abs(sums - 1)))
        if abs(sums[worst] - 1) > _TOLERANCE:
            raise UserError(
                f"topology {name}: not doubly stochastic, {kind} {worst} sums to {sums[worst]:.6g}; "
                "rows and columns must sum to 1"
            )
    return np.clip(W, 0, None)


def _matrices(name: Topology, size: int, **options: Any) -> list[np.ndarray]:
    if not isinstance(size, int | np.integer) or size < 1:
        raise UserError(f"topology: size is {size!r}; give a number of learners of at least 1")
    allowed = {"rows"} if isinstance(name, str) and name == "torus" else set()
    for option in sorted(set(options) - allowed):
        raise UserError(f"topology {name}: has no option {option!r}")
    if isinstance(name, nx.Graph):
        graph = _ordered(name)
        if graph.number_of_nodes() != size:
            raise UserError(f"topology graph: {graph.number_of_nodes()} nodes, but there are {size} learners")
        return [metropolis_hastings(graph)]
    if isinstance(name, np.ndarray | list | tuple):
        return [check_mixing_matrix(_as_array(name), size)]
    if not isinstance(name, str | os.PathLike):
        raise UserError(
            f"topology: is {name!r:.60}; give one of {', '.join(NAMES)}, the path of a .npy file, a matrix, or an "
            "undirected networkx graph"
        )
    if name not in _TOPOLOGIES:
        return [check_mixing_matrix(_read_matrix(os.fspath(name)), size, name=repr(os.fspath(name)))]
    if size == 1:
        return [np.eye(1)]
    return _TOPOLOGIES[name](int(size), **options)


def mixing_matrix(name: Topology, size: int, *, step: int = 0, **options: Any) -> np.ndarray:
    """The doubly stochastic mixing matrix of a topology.

    Args:
      name: one of `NAMES`, the path of a .npy file, a [size, size] array, or an undirected networkx graph.
      size: number of learners.
      step: which matrix of a time-varying topology (one_peer_exponential, matching).
      **options: `rows` for the torus.

    Returns:
      float64 [size, size].

    Raises:
      UserError: unknown name, a size the topology does not have, or a matrix that is not doubly stochastic.
    """
    matrices = _matrices(name, size, **options)
    return matrices[step % len(matrices)].copy()


def make_schedule(
    name: Topology,
    size: int,
    *,
    random: bool = False,
    seed: int = 0,
    every: int = 1,
    chebyshev_rounds: int = 0,
    **options: Any,
) -> Schedule:
    """The `Schedule` of a topology: which W at which step.

    Args:
      name, size, **options: as `mixing_matrix` takes them.
      random: relabel the learners anew at every step.
      seed: of the relabellings.
      every: mix only at steps 0, every, 2 every, ...
      chebyshev_rounds: above 0 the matrices are the `chebyshev.factors` of W for this number of gossip rounds; at 0
        they are the topology's own.
    """
    if every < 1 or chebyshev_rounds < 0:
        raise UserError(f"topology: every={every}, chebyshev_rounds={chebyshev_rounds}; give at least 1 and at least 0")
    if not isinstance(random, bool | np.bool_):
        raise UserError(f"random={random!r:.60}: give True or False")
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        raise UserError(f"seed={seed!r:.60}: give a whole number")
    label = os.fspath(name) if isinstance(name, str | os.PathLike) else type(name).__name__
    matrices = chebyshev.accelerated(np.stack(_matrices(name, size, **options)), chebyshev_rounds, label)
    return Schedule(label, matrices, random=random, seed=seed, every=every, rounds=chebyshev_rounds)


def restrict_to(schedule: Schedule, ranks: Sequence[int]) -> Schedule:
    """The schedule of the same topology among the learners `ranks` only; the others keep to themselves.

    Args:
      schedule: of a topology by name; a restricted one too.
      ranks: ascending.

    Returns:
      A `Schedule` of `schedule.size` learners, with the same relabelling seed, pace and Chebyshev rounds. A torus of
      `ranks` is as square as can be.

    Raises:
      UserError: the topology has no name, or not this number of learners.
    """
    if schedule.name not in _TOPOLOGIES:
        raise UserError(
            f"topology {schedule.name}: a matrix cannot be made anew for {len(ranks)} of {schedule.size} learners; "
            "use a topology by name"
        )
    inner = chebyshev.accelerated(np.stack(_matrices(schedule.name, len(ranks))), schedule.rounds, schedule.name)
    matrices = np.stack([np.eye(schedule.size)] * len(inner))
    matrices[np.ix_(range(len(inner)), ranks, ranks)] = inner
    return Schedule(
        schedule.name,
        matrices,
        random=schedule.random,
        seed=schedule.seed,
        every=schedule.every,
        rounds=schedule.rounds,
        ranks=ranks,
    )


def spectral_gap(W: npt.ArrayLike) -> float:
    """1 - max(|lambda_2|, |lambda_n|) of a doubly stochastic matrix; 1 for a single learner.

    A larger gap mixes faster: the distance to the mean shrinks at least by (1 - gap) a round if W is symmetric.
    """
    W = np.asarray(W, dtype=np.float64)
    if len(W) == 1:
        return 1.0
    eigenvalues = np.linalg.eigvalsh(W) if np.allclose(W, W.T) else np.linalg.eigvals(W)
    return float(1.0 - np.sort(np.abs(eigenvalues))[-2])


def check_delayed(schedule: Schedule) -> None:
    """Raise `UserError` if a matrix of the schedule, mixed late (`strategies.Delayed`), would drive learners apart.

    For each eigenvalue l but 1 both roots of z^2 - z + (1 - l) / 2 must be inside the unit circle.
    """
    for W in schedule.matrices:
        eigenvalues = np.linalg.eigvals(W)
        eigenvalues = eigenvalues[np.abs(eigenvalues - 1) > _TOLERANCE]
        roots = np.abs([np.roots([1, -1, (1 - value) / 2]) for value in eigenvalues])
        if roots.size and roots.max() >= 1 - _TOLERANCE:
            raise UserError(
                f"topology {schedule.name}: mixed a step late, differences would grow {roots.max():.3g}-fold a step; "
                "give learners more weight of their own"
            )
