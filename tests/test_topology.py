"""Topologies: matrices, closed-form spectral gaps, and what is refused."""

import math

import networkx as nx
import numpy as np
import pytest

from tfdgan.errors import UserError
from tfdgan.gossip import topology

SIZES = {
    "ring": (1, 2, 3, 4, 7, 16),
    "exponential": (1, 2, 3, 5, 8, 13),
    "one_peer_exponential": (1, 2, 3, 5, 8, 13),
    "torus": (1, 4, 6, 9, 12, 16),
    "hypercube": (1, 2, 4, 8, 16),
    "complete": (1, 2, 5, 8),
    "star": (1, 2, 3, 8),
    "matching": (1, 2, 3, 4, 7, 8),
}


def gap(name, size, **options):
    return topology.spectral_gap(topology.mixing_matrix(name, size, **options))


def refused(*args, **options):
    """The message of the `UserError` for these arguments, which must be one line."""
    with pytest.raises(UserError) as caught:
        topology.mixing_matrix(*args, **options)
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_sizes_cover_every_topology():
    assert set(SIZES) == set(topology.NAMES)


@pytest.mark.parametrize("name", topology.NAMES)
def test_every_matrix_is_doubly_stochastic(name):
    for size in SIZES[name]:
        for W in topology.make_schedule(name, size).matrices:
            assert W.dtype == np.float64 and W.shape == (size, size)
            assert (W >= 0).all()
            np.testing.assert_allclose(W.sum(axis=0), 1, atol=1e-12)
            np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_ring_gap(size):
    # Circulant: lambda_j = (1 + 2 cos(2 pi j / n)) / 3; the largest |lambda| below 1 is that of j = 1.
    assert gap("ring", size) == pytest.approx(1 - (1 + 2 * math.cos(2 * math.pi / size)) / 3, abs=1e-12)


def test_ring_matrices_by_hand():
    third = 1 / 3
    np.testing.assert_allclose(
        topology.mixing_matrix("ring", 4),
        [[third, third, 0, third], [third, third, third, 0], [0, third, third, third], [third, 0, third, third]],
    )
    np.testing.assert_array_equal(topology.mixing_matrix("ring", 2), [[0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_array_equal(topology.mixing_matrix("ring", 1), [[1.0]])


@pytest.mark.parametrize("size", [1, 2, 3, 8, 17])
def test_complete_gap_is_one(size):
    assert gap("complete", size) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("size", [3, 4, 8, 20])
def test_star_gap(size):
    assert gap("star", size) == pytest.approx(1 / size, abs=1e-12)


@pytest.mark.parametrize("name", ["hypercube", "exponential"])
@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
def test_hypercube_and_exponential_gap(name, size):
    assert gap(name, size) == pytest.approx(2 / (1 + math.log2(size)), abs=1e-9)


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (3, 4), (3, 5), (4, 4), (4, 8), (5, 5)])
def test_torus_gap(rows, columns):
    expected = (2 - 2 * math.cos(2 * math.pi / max(rows, columns))) / 5
    assert gap("torus", rows * columns, rows=rows) == pytest.approx(expected, abs=1e-12)


def test_torus_is_as_square_as_can_be():
    np.testing.assert_array_equal(topology.mixing_matrix("torus", 12), topology.mixing_matrix("torus", 12, rows=3))
    # 2 x 2: going left or right meets the same learner, so two neighbours each and 1 / (1 + 2) an edge.
    assert topology.mixing_matrix("torus", 4)[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 5])
def test_one_peer_exponential_averages_exactly_in_a_period(rounds):
    size = 2**rounds
    schedule = topology.make_schedule("one_peer_exponential", size)
    assert schedule.period == rounds
    product = schedule.matrix(0, rounds)
    np.testing.assert_array_equal(product, np.full((size, size), 1 / size))  # powers of two: no rounding
    assert topology.spectral_gap(product) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("size", [5, 8])
def test_one_peer_exponential_receives_from_behind(size):
    for step in range(6):
        hop = 2 ** (step % 3)  # ceil(log2(5)) = log2(8) = 3
        W = topology.mixing_matrix("one_peer_exponential", size, step=step)
        for i in range(size):
            assert np.flatnonzero(W[i]).tolist() == sorted({i, (i - hop) % size})
            assert W[i, (i - hop) % size] == 0.5


@pytest.mark.parametrize("size", [6, 8])
def test_exponential_receives_from_all_powers_of_two_behind(size):
    W = topology.mixing_matrix("exponential", size)
    for i in range(size):
        sources = {(i - hop) % size for hop in (1, 2, 4)}
        assert set(np.flatnonzero(W[i])) == sources | {i}
        assert all(W[i, j] == pytest.approx(1 / 4) for j in sources)


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 9])
def test_matching_pairs_everybody_once_a_period(size):
    schedule = topology.make_schedule("matching", size)
    assert schedule.period == (size if size % 2 else size - 1)
    met = np.zeros((size, size), int)
    idle = []
    for W in schedule.matrices:
        met += (W != 0) & ~np.eye(size, dtype=bool)
        idle.append([i for i in range(size) if W[i, i] == 1])
        assert set(W[W != 0]) <= {0.5, 1.0}
    np.testing.assert_array_equal(met, 1 - np.eye(size, dtype=int))
    assert all(len(learners) == size % 2 for learners in idle)
    if size % 2:
        assert sorted(sum(idle, [])) == list(range(size))  # everybody rests once


@pytest.mark.parametrize("size", [8, 16])
def test_random_ring_contracts_as_derived(size):
    # E |W_k x|^2 / |x|^2 = (n/3 - 1) / (n - 1) for any x of mean zero; n = 8: .238, 16: .289.
    schedule = topology.make_schedule("ring", size, random=True, seed=5)
    x = np.random.default_rng(1).standard_normal(size)
    x -= x.mean()
    ratios = [np.sum((schedule.matrix(k) @ x) ** 2) / np.sum(x**2) for k in range(800)]
    assert np.mean(ratios) == pytest.approx((size / 3 - 1) / (size - 1), rel=0.04)


def test_spectral_gap_counts_negative_eigenvalues():
    assert topology.spectral_gap([[0.1, 0.9], [0.9, 0.1]]) == pytest.approx(0.2)  # eigenvalues 1 and -.8


def test_spectral_gap_of_a_directed_matrix_takes_absolute_values():
    # A cycle with weights 1/2: |lambda_j| = |1 + exp(2 pi i j / 3)| / 2 = 1/2 at j = 1, 2.
    assert topology.spectral_gap([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]) == pytest.approx(0.5)


def test_matrix_file_array_list_and_graph_are_accepted(tmp_path):
    ring = topology.mixing_matrix("ring", 5)
    path = tmp_path / "ring.npy"
    np.save(path, ring)
    for given in (str(path), path, ring, ring.tolist(), nx.cycle_graph(5)):
        np.testing.assert_allclose(topology.mixing_matrix(given, 5), ring, atol=1e-15)


def test_graph_nodes_go_by_sorted_order_and_self_loops_are_dropped():
    # A path 30 - 10 - 20: degrees 1, 2, 1, so 1 / (1 + 2) on both edges; learners 0, 1, 2 are 10, 20, 30.
    graph = nx.Graph([(30, 10), (10, 20), (20, 20)])
    third = 1 / 3
    np.testing.assert_allclose(
        topology.mixing_matrix(graph, 3), [[third, third, third], [third, 2 * third, 0], [third, 0, 2 * third]]
    )


def test_mixing_matrix_is_the_callers_own():
    W = topology.mixing_matrix("ring", 4)
    W[:] = 0
    assert topology.mixing_matrix("ring", 4).sum() == pytest.approx(4)


@pytest.mark.parametrize("size", [2, 3, 7, 13])
def test_torus_of_prime_size_is_refused(size):
    assert str(size) in refused("torus", size)


@pytest.mark.parametrize("rows", [1, 0, -2, 5, 12])
def test_torus_rows_that_do_not_divide_are_refused(rows):
    assert str(rows) in refused("torus", 12, rows=rows)


@pytest.mark.parametrize("size", [3, 6, 12])
def test_hypercube_needs_a_power_of_two(size):
    assert str(size) in refused("hypercube", size)


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", None])
def test_bad_size_is_refused(size):
    assert repr(size) in refused("ring", size)


def test_unknown_name_is_refused_with_the_choices():
    message = refused("rign", 4)
    assert "rign" in message and "one_peer_exponential" in message


def test_unknown_option_is_refused():
    assert "colums" in refused("torus", 12, colums=3)
    assert "rows" in refused("ring", 12, rows=3)


def test_matrix_of_another_size_is_refused(tmp_path):
    path = tmp_path / "five.npy"
    np.save(path, topology.mixing_matrix("ring", 5))
    message = refused(str(path), 4)
    assert "5x5" in message and "4" in message and str(path) in message
    assert "4" in refused(nx.cycle_graph(5), 4)
    assert "2x3" in refused(np.full((2, 3), 0.5), 2)


def test_row_that_does_not_sum_to_one_is_named():
    message = refused([[0.5, 0.5], [0.5, 0.25]], 2)
    assert "row 1" in message and "0.75" in message


def test_column_that_does_not_sum_to_one_is_named():
    message = refused([[0.5, 0.5], [0.25, 0.75]], 2)  # rows are right; columns sum to .75 and 1.25
    assert "column 0" in message and "0.75" in message


def test_negative_and_non_finite_entries_are_refused():
    assert "-0.5" in refused([[1.5, -0.5], [-0.5, 1.5]], 2)
    assert "nan" in refused([[math.nan, 0.5], [0.5, 0.5]], 2)
    assert "non-finite" in refused([[math.inf, 0.5], [0.5, 0.5]], 2)


def test_matrices_that_are_no_numbers_are_refused():
    assert "complex" in refused(np.eye(2, dtype=complex), 2)
    assert "<U" in refused([["1", "0"], ["0", "1"]], 2)


def test_directed_graph_is_refused():
    assert "directed" in refused(nx.DiGraph([(0, 1), (1, 0)]), 2)


def test_unreadable_matrix_file_is_refused(tmp_path):
    path = tmp_path / "text.npy"
    path.write_text("no matrix")
    assert str(path) in refused(str(path), 2)
