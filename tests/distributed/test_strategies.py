"""Strategies on plain variables against NumPy recursions over all learners, through real exchanges."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

from distributed import plain_players
from tfdgan import strategies
from tfdgan.gossip import topology
from tfdgan.optimizers import OptimisticAdam

N, RANK = hvd.size(), hvd.rank()
YES = tf.constant(True)


def player(name, value, optimizer):
    return plain_players.player(name, [value], optimizer)


def exchange(schedule, **changes):
    return {**dict(schedule=schedule, rounds=1, backend="auto", wire_dtype="float32"), **changes}


ETA = 0.1
A = np.arange(N) - (N - 1) / 2  # sums to 0
B = np.cos(np.arange(N)) - np.cos(np.arange(N)).mean()
START = np.stack([1 + 0.5 * np.arange(N), 1 - 0.25 * np.arange(N)])  # [2, n], by rank


def bilinear_gradients(u, v, rank):
    """F_i = u v + a_i u + b_i v; u descends, v ascends."""
    return v + A[rank], -(u + B[rank])


def dposg_in_numpy(matrices, steps):
    """X_k = X_{k-1} W - eta g(Z_k), Z_k = X_{k-1} W - eta g(Z_{k-1}) for all learners: [steps, 2, n]."""
    x, last, path = START.copy(), np.zeros_like(START), []
    for k in range(steps):
        mixed = x @ matrices(k).T
        z = mixed - ETA * last
        last = np.stack(bilinear_gradients(z[0], z[1], np.arange(N)))
        x = mixed - ETA * last
        path.append(x.copy())
    return np.stack(path)


def dposg_trajectory(schedule, backend, steps=50):
    players = [
        player("u", START[0, RANK], keras.optimizers.SGD(ETA)),
        player("v", START[1, RANK], keras.optimizers.SGD(ETA)),
    ]
    strategy = strategies.DPOSG(players, **exchange(schedule, backend=backend))

    @tf.function(autograph=False)
    def step(k):
        begun = strategy.begin_step(k)
        u, v = (p.values()[0] for p in players)
        for p, g in zip(players, bilinear_gradients(u, v, RANK), strict=True):
            strategy.apply(p, [tf.cast(g, tf.float32)], YES, strategy.begin_update(p, k))
        strategy.end_step(begun)
        return tf.concat([strategy.state["x/u"][0], strategy.state["x/v"][0]], 0)

    return np.stack([step(tf.constant(k, tf.int64)).numpy() for k in range(steps)])


@pytest.mark.parametrize(
    "name, random, backend",
    [
        ("ring", False, "native"),
        ("ring", False, "horovod_pairs"),
        ("ring", True, "native"),
        ("ring", True, "horovod"),
        ("one_peer_exponential", False, "auto"),
    ],
)
def test_dposg_follows_the_recursion(name, random, backend):
    schedule = topology.make_schedule(name, N, random=random, seed=3)
    got, want = dposg_trajectory(schedule, backend), dposg_in_numpy(schedule.matrix, 50)
    np.testing.assert_allclose(got, want[:, :, RANK], rtol=0, atol=1e-5)
    # The same comparison without mixing fails: it sees the exchange.
    assert np.abs(got - dposg_in_numpy(lambda k: np.eye(N), 50)[:, :, RANK]).max() > 0.1


class OAdamInNumPy:
    """Design: w -= 2 lr d_t - lr d_{t-1}, d_0 := d_1."""

    def __init__(self, lr, b1=0.5, b2=0.9, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps, self.t, self.m, self.v = lr, b1, b2, eps, 0, 0.0, 0.0

    def displacement(self, g):
        self.t += 1
        self.m = self.b1 * self.m + (1 - self.b1) * g
        self.v = self.b2 * self.v + (1 - self.b2) * g * g
        d = (self.m / (1 - self.b1**self.t)) / (np.sqrt(self.v / (1 - self.b2**self.t)) + self.eps)
        last, self.d = (d if self.t == 1 else self.d), d
        return 2 * self.lr * d - self.lr * last


@pytest.mark.parametrize(
    "name, mix_after, backend",
    [
        ("complete", "step", "native"),
        ("complete", "update", "horovod"),
        ("ring", "step", "horovod_pairs"),
        ("ring", "step", "horovod"),
        ("ring", "update", "native"),
        ("ring", "update", "horovod_pairs"),
    ],
)
def test_dp_oadam_with_five_critic_updates(name, mix_after, backend):
    """u is updated once and v five times a step; a naive "start, update, assign" would lose updates."""
    schedule = topology.make_schedule(name, N)
    players = [player("u", START[0, RANK], OptimisticAdam(0.01)), player("v", START[1, RANK], OptimisticAdam(0.02))]
    strategy = strategies.Decentralized(players, **exchange(schedule, backend=backend), mix_after=mix_after)
    u_player, v_player = players

    @tf.function(autograph=False)
    def step(k):
        begun = strategy.begin_step(k)
        for c in range(5):
            mixing = strategy.begin_update(v_player, k * 5 + c)
            g = bilinear_gradients(u_player.values()[0], v_player.values()[0], RANK)[1]
            strategy.apply(v_player, [tf.cast(g, tf.float32)], YES, mixing)
        mixing = strategy.begin_update(u_player, k)
        g = bilinear_gradients(u_player.values()[0], v_player.values()[0], RANK)[0]
        strategy.apply(u_player, [tf.cast(g, tf.float32)], YES, mixing)
        strategy.end_step(begun)
        return tf.concat([u_player.values()[0], v_player.values()[0]], 0)

    u, v = START[0].copy(), START[1].copy()
    u_steps, v_steps = [OAdamInNumPy(0.01) for _ in range(N)], [OAdamInNumPy(0.02) for _ in range(N)]
    W = schedule.matrix(0)
    for k in range(10):
        got = step(tf.constant(k, tf.int64)).numpy()
        u0, v0 = u.copy(), v.copy()
        for _ in range(5):
            g = bilinear_gradients(u, v, np.arange(N))[1]
            move = np.array([s.displacement(g[i]) for i, s in enumerate(v_steps)])
            v = (W @ v if mix_after == "update" else v) - move
        g = bilinear_gradients(u, v, np.arange(N))[0]
        move = np.array([s.displacement(g[i]) for i, s in enumerate(u_steps)])
        u = (W @ u if mix_after == "update" else u) - move
        if mix_after == "step":
            u, v = W @ u0 + (u - u0), W @ v0 + (v - v0)
        np.testing.assert_allclose(got, [u[RANK], v[RANK]], rtol=0, atol=2e-5)


def test_small_updates_survive_a_16_bit_wire():
    """2,000 updates of 2e-5 on weights near .05, far below bfloat16's spacing there, end where float32 ends."""
    schedule = topology.make_schedule("ring", N)
    target = 0.05 - 0.02

    def distance(wire_dtype):
        p = player("w", 0.05 + 1e-3 * RANK, keras.optimizers.SGD(2e-5))
        strategy = strategies.Decentralized([p], **exchange(schedule, wire_dtype=wire_dtype))

        @tf.function(autograph=False)
        def run():
            def one(k):
                begun = strategy.begin_step(k)
                strategy.apply(p, [tf.sign(p.values()[0] - target)], YES, None)
                strategy.end_step(begun)
                return k + 1

            tf.while_loop(lambda k: k < 2000, one, [tf.constant(0, tf.int64)])

        run()
        return abs(float(p.values()[0][0]) - target)

    # Plain averaging of rounded weights would stay .019 away.
    end = distance("float32")
    assert end < 2e-3
    assert abs(distance("bfloat16") - end) < 5e-4
    assert abs(distance("float16") - end) < 5e-4


@pytest.mark.parametrize("wire, precision", [("float32", 1e-6), ("float16", 2e-3)])
def test_centralized_averages_gradients(wire, precision):
    p = player("w", [0.0, 0.0], keras.optimizers.SGD(1.0))
    strategy = strategies.Centralized([p], wire)
    strategy.apply(p, [tf.constant([RANK * 1.0001, 6e4])], YES, None)  # a sum of the latter is no float16
    assert p.values()[0].dtype == tf.float32
    np.testing.assert_allclose(p.values()[0], [-1.0001 * (N - 1) / 2, -6e4], rtol=precision)
    exact = np.allclose(p.values()[0][0], -1.0001 * (N - 1) / 2, rtol=1e-6)
    assert exact == (wire == "float32")


def test_centralized_refuses_what_overflows_on_the_wire():
    p = player("w", 1.0, keras.optimizers.SGD(1.0))
    strategies.Centralized([p], "float16").apply(p, [tf.constant([1e5])], YES, None)
    np.testing.assert_array_equal(p.values()[0], [1.0])


def test_centralized_refuses_what_any_learner_cannot_use():
    """NaN on one learner stays out of everybody's weights, and learners stay equal."""
    p = player("w", 1.0, keras.optimizers.SGD(1.0))
    gradient = float("nan") if RANK == 1 else 1.0
    strategies.Centralized([p]).apply(p, [tf.constant([gradient])], tf.constant(RANK != 1), None)
    np.testing.assert_array_equal(p.values()[0], [1.0])


def test_consensus_distance_halves_under_a_ring():
    """Pure mixing: 10 rounds on a ring take the distance below half its start."""
    schedule = topology.make_schedule("ring", N)
    p = player("w", [float(RANK), -2.0 * RANK], keras.optimizers.SGD(1.0))
    strategy = strategies.Decentralized([p], **exchange(schedule))

    def distance():
        everyone = hvd.allgather(p.values()[0][tf.newaxis]).numpy()
        return np.sqrt(np.mean(np.sum((everyone - everyone.mean(0)) ** 2, axis=1))), everyone.mean(0)

    before, mean_before = distance()
    for k in range(10):
        strategy.end_step(strategy.begin_step(tf.constant(k, tf.int64)))
    after, mean_after = distance()
    assert 0 < after < before / 2
    np.testing.assert_allclose(mean_after, mean_before, atol=1e-5)
