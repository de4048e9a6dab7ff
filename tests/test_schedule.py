"""Schedules: Philox, host and graph alike, products of several rounds, peers."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip import philox, schedule_ops, topology

SEEDS = (0, 1, 12345, 2**31, 2**63 + 11, 2**64 - 1, -1)
STEPS = (0, 1, 2, 1000, 2**31, 2**40)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # philox4x32, 10 rounds, in Random123's file of known answers (kat_vectors)
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_philox_known_answers(counter, key, expected):
    assert philox._block(counter, key) == expected


def test_words_are_blocks_in_counter_order():
    words = philox.uint32(seed=0, step=0, count=6)
    assert words.dtype == np.uint32
    assert [hex(word) for word in words[:4]] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    assert tuple(words[4:]) == philox._block((1, 0, 0, 0), (0, 0))[:2]


def test_seed_is_the_key_and_step_the_counters_upper_half():
    words = philox.uint32(seed=(7 << 32) + 5, step=(3 << 32) + 2, count=4)
    assert tuple(words) == philox._block((0, 0, 2, 3), (5, 7))


@pytest.mark.usefixtures("optimized_graphs")
@pytest.mark.parametrize("size", [1, 2, 3, 8, 33])
def test_host_and_graph_draw_the_same_permutation(size):
    for seed in SEEDS:
        schedule = topology.make_schedule("ring", size, random=True, seed=seed)
        in_graph = tf.function(
            lambda step, schedule=schedule: schedule_ops.permutation(schedule, step),
            input_signature=[tf.TensorSpec([], tf.int64)],
        )
        for step in STEPS:
            host = schedule.permutation(step)
            assert sorted(host) == list(range(size))
            np.testing.assert_array_equal(in_graph(step), host)


def test_permutations_are_uniform():
    # 3! = 6 orders of 3 learners, 6,000 draws: 1,000 each with standard deviation 29.
    schedule = topology.make_schedule("ring", 3, random=True, seed=1)
    orders, counts = np.unique([schedule.permutation(k) for k in range(6000)], axis=0, return_counts=True)
    assert len(orders) == 6
    assert np.abs(counts - 1000).max() < 4 * 29


SCHEDULES = {
    "fixed": ("ring", 5, False),
    "directed": ("exponential", 6, False),
    "time-varying": ("matching", 5, False),
    "random": ("star", 6, True),
    "random time-varying": ("one_peer_exponential", 6, True),
}


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_rows_and_columns_in_a_graph_are_the_hosts_without_retracing(kind, rounds):
    name, size, random = SCHEDULES[kind]
    schedule = topology.make_schedule(name, size, random=random, seed=9)

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)])
    def all_rounds(step):
        return [
            [schedule_ops.row_and_column(schedule, step, rounds, index, rank) for rank in range(size)]
            for index in range(rounds)
        ]

    for step in (0, 1, 2, 3, 7, 100, 3, 2**40):
        order = schedule.permutation(step)
        product = np.eye(size)
        for index, learners in enumerate(all_rounds(tf.constant(step, tf.int64))):
            W = schedule.matrices[(step * rounds + index) % schedule.period][np.ix_(order, order)]
            np.testing.assert_array_equal([row for row, _ in learners], W)
            np.testing.assert_array_equal([column for _, column in learners], W.T)
            product = W @ product
        np.testing.assert_allclose(product, schedule.matrix(step, rounds), atol=1e-15)
    assert all_rounds.experimental_get_tracing_count() == 1


def test_rounds_of_a_fixed_schedule_are_a_power():
    schedule = topology.make_schedule("ring", 6)
    W = topology.mixing_matrix("ring", 6)
    for step in (0, 1, 17):
        np.testing.assert_allclose(schedule.matrix(step, 3), W @ W @ W, atol=1e-15)


def test_rounds_of_a_time_varying_schedule_go_from_right_to_left():
    schedule = topology.make_schedule("matching", 4)  # period 3
    W = [topology.mixing_matrix("matching", 4, step=k) for k in range(3)]
    # Step 1 with two rounds: sub-steps 2 and 3, that is W[2] first and then W[0].
    np.testing.assert_array_equal(schedule.matrix(1, 2), W[0] @ W[2])
    np.testing.assert_array_equal(schedule.matrix(1, 2) @ [1, 2, 3, 4], W[0] @ (W[2] @ [1, 2, 3, 4]))


def test_order_of_rounds_shows_where_matrices_do_not_commute():
    schedule = topology.make_schedule("matching", 5)
    W = schedule.matrices
    assert not np.allclose(W[1] @ W[0], W[0] @ W[1])
    np.testing.assert_array_equal(schedule.matrix(0, 2), W[1] @ W[0])
    np.testing.assert_array_equal(schedule.matrix(1, 2), W[3] @ W[2])
    np.testing.assert_array_equal(schedule.matrix(2, 2), W[0] @ W[4])


def test_random_schedule_has_one_permutation_a_step():
    schedule = topology.make_schedule("ring", 8, random=True, seed=4)
    W = topology.mixing_matrix("ring", 8)
    for step in range(5):
        order = schedule.permutation(step)
        # By elements, W_k[i, j] = W[p(i), p(j)].
        expected = [[W[order[i], order[j]] for j in range(8)] for i in range(8)]
        np.testing.assert_array_equal(schedule.matrix(step), expected)
        np.testing.assert_allclose(schedule.matrix(step, 2), schedule.matrix(step) @ schedule.matrix(step), atol=1e-15)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_peers_agree_with_the_matrix_and_each_other(kind):
    name, size, random = SCHEDULES[kind]
    schedule = topology.make_schedule(name, size, random=random, seed=2)
    for step in range(7):
        W = schedule.matrix(step)
        peers = [schedule.peers(step, rank) for rank in range(size)]
        for i, (send, receive, weights, own) in enumerate(peers):
            assert list(send) == sorted(send) and list(receive) == sorted(receive)
            assert all(i in peers[j][1] for j in send) and all(i in peers[j][0] for j in receive)
            row = np.zeros(size)
            row[list(receive)] = weights
            row[i] = own
            np.testing.assert_array_equal(row, W[i])


def test_peers_by_hand():
    # Directed: learner 2 of 4 at step 1 receives from 2 - 2 = 0 and sends to 2 + 2 = 0 (mod 4).
    schedule = topology.make_schedule("one_peer_exponential", 4)
    assert schedule.peers(0, 2) == ((3,), (1,), (0.5,), 0.5)
    assert schedule.peers(1, 2) == ((0,), (0,), (0.5,), 0.5)
    # Matching of 3: one is idle.
    idle = [topology.make_schedule("matching", 3).peers(0, rank) for rank in range(3)]
    assert sum(peers == ((), (), (), 1.0) for peers in idle) == 1


@pytest.mark.parametrize("name", topology.NAMES)
def test_one_learner_has_no_peers(name):
    for random in (False, True):
        assert topology.make_schedule(name, 1, random=random).peers(3, 0) == ((), (), (), 1.0)


def test_random_schedules_stay_doubly_stochastic():
    schedule = topology.make_schedule("exponential", 7, random=True, seed=3)
    for step in range(20):
        W = schedule.matrix(step, 2)
        np.testing.assert_allclose([W.sum(axis=0), W.sum(axis=1)], 1, atol=1e-12)


def test_schedule_is_a_function_of_seed_and_step():
    first, again, other = (topology.make_schedule("ring", 8, random=True, seed=seed) for seed in (6, 6, 7))
    assert all((first.matrix(k) == again.matrix(k)).all() for k in (5, 0, 3))
    assert any((first.matrix(k) != other.matrix(k)).any() for k in range(3))
    assert any((first.matrix(0) != first.matrix(k)).any() for k in range(1, 4))


@pytest.mark.parametrize("random", [False, True])
def test_a_schedule_among_some_learners_leaves_out_the_others(random):
    schedule = topology.restrict_to(topology.make_schedule("exponential", 5, random=random, seed=1), [0, 2, 3])
    for step in range(6):
        W = schedule.matrix(step)
        # Three learners, hops 1 and 2: everybody left hears of everybody left, equally.
        np.testing.assert_allclose(W[np.ix_([0, 2, 3], [0, 2, 3])], np.full((3, 3), 1 / 3), atol=1e-12)
        np.testing.assert_array_equal(W[[1, 4]], np.eye(5)[[1, 4]])
        np.testing.assert_array_equal(W[:, [1, 4]], np.eye(5)[:, [1, 4]])
        assert schedule.peers(step, 1) == ((), (), (), 1.0) and schedule.peers(step, 2)[0] == (0, 3)


def test_a_schedule_among_some_learners_is_the_same_in_a_graph():
    everybody = topology.make_schedule("one_peer_exponential", 6, random=True, seed=4)
    schedule = topology.restrict_to(everybody, [0, 2, 3, 5])
    row_and_column = tf.function(lambda step: schedule_ops.row_and_column(schedule, step, 1, 0, 2))
    different = set()
    for step in range(12):
        row, column = row_and_column(tf.constant(step, tf.int64))
        W = schedule.matrix(step)
        np.testing.assert_array_equal(row, W[2])
        np.testing.assert_array_equal(column, W[:, 2])
        different.add(W.tobytes())
    assert len(different) > 4


def test_a_restricted_schedule_keeps_everything_else_and_can_be_restricted_again():
    options = dict(random=True, seed=7, every=3)
    everybody = topology.make_schedule("ring", 6, chebyshev_rounds=2, **options)
    some = topology.restrict_to(topology.restrict_to(everybody, [0, 2, 3, 5]), [0, 3, 5])
    assert (some.name, some.size, some.rounds, some.random, some.seed, some.every) == ("ring", 6, 2, True, 7, 3)
    three = topology.make_schedule("ring", 3, chebyshev_rounds=2, **options)
    for step in range(7):
        W = some.matrix(step, 2)
        np.testing.assert_array_equal(W[np.ix_([0, 3, 5], [0, 3, 5])], three.matrix(step, 2))
        np.testing.assert_array_equal(W[[1, 2, 4]], np.eye(6)[[1, 2, 4]])


def test_a_matrix_cannot_be_restricted():
    with pytest.raises(UserError, match="topology ndarray: a matrix cannot be made anew for 2 of 4 learners"):
        topology.restrict_to(topology.make_schedule(topology.mixing_matrix("exponential", 4), 4), [0, 3])


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_that_mixes_every_third_step(kind):
    name, size, random = SCHEDULES[kind]
    always = topology.make_schedule(name, size, random=random, seed=9)
    sometimes = topology.make_schedule(name, size, random=random, seed=9, every=3)
    in_graph = tf.function(lambda step: schedule_ops.row_and_column(sometimes, step, 2, 1, 1))
    for step in (0, 1, 2, 3, 7, 9):
        W = np.eye(size) if step % 3 else always.matrix(step // 3, 2)
        np.testing.assert_array_equal(sometimes.matrix(step, 2), W)
        row, column = in_graph(tf.constant(step, tf.int64))
        want = (
            np.eye(size)[1]
            if step % 3
            else schedule_ops.row_and_column(always, tf.constant(step // 3, tf.int64), 2, 1, 1)[0]
        )
        np.testing.assert_array_equal(row, want)
        assert np.isclose(np.sum(column), 1)
    assert not sometimes.is_fixed


def test_chebyshev_by_hand():
    """A ring of 4 has eigenvalues 1, 1/3, 1/3, -1/3: y_1 = 3, and T_2(3) = 17, so 1/17 of each is left."""
    schedule = topology.make_schedule("ring", 4, chebyshev_rounds=2)
    P = schedule.matrix(0, 2)
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(P)), [1 / 17, 1 / 17, 1 / 17, 1], atol=1e-12)
    np.testing.assert_allclose(P.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(P, P.T, atol=1e-12)
    # Of 32 learners' differences 8 rounds leave 1 / T_8(y_1), plain ones b^8; a ring's smallest eigenvalue is -1/3.
    b = 1 - topology.spectral_gap(topology.mixing_matrix("ring", 32))
    P = topology.make_schedule("ring", 32, chebyshev_rounds=8).matrix(0, 8)
    y = (2 - (b - 1 / 3)) / (b + 1 / 3)
    assert np.isclose(1 - topology.spectral_gap(P), 1 / np.cosh(8 * np.arccosh(y)))
    assert b**8 > 0.9 > 0.5 > 1 - topology.spectral_gap(P)


def test_chebyshev_refuses_a_graph_in_parts():
    with pytest.raises(UserError, match="parts"):
        topology.make_schedule(np.eye(4), 4, chebyshev_rounds=2)


def test_chebyshev_rounds_stay_exact_in_float32():
    factors = topology.make_schedule("ring", 32, chebyshev_rounds=16).matrices
    start = np.random.default_rng(0).normal(size=(32, 100))
    x = start.astype(np.float32)
    for factor in factors:
        x = (factor.astype(np.float32) @ x).astype(np.float32)
    want = np.linalg.multi_dot([*factors[::-1], start])
    assert np.abs(x - want).max() < 1e-4


@pytest.mark.parametrize("name", ["exponential", "matching"])
def test_chebyshev_refuses_what_is_not_one_symmetric_matrix(name):
    with pytest.raises(UserError, match=name):
        topology.make_schedule(name, 6, chebyshev_rounds=2)


def test_kinds_of_schedules():
    def kind(name, **options):
        schedule = topology.make_schedule(name, 6, **options)
        return schedule.is_fixed, schedule.is_symmetric

    assert kind("ring") == (True, True)
    assert kind("exponential") == (True, False)
    assert kind("matching") == (False, True)
    assert kind("ring", random=True) == (False, True)


def test_bad_rounds_and_ranks_are_refused():
    schedule = topology.make_schedule("ring", 4)
    with pytest.raises(UserError, match="0"):
        schedule.matrix(0, 0)
    for rank in (-1, 4):
        with pytest.raises(UserError, match=str(rank)):
            schedule.peers(0, rank)


def test_matrices_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        topology.make_schedule("ring", 4).matrices[0, 0, 0] = 1
