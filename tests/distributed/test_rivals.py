"""Quasi-global momentum, DiLoCo and lookahead against NumPy recursions over all learners; and each converges."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

from distributed.plain_players import player as plain_player
from tfdgan import strategies
from tfdgan.gossip import topology

N, RANK = hvd.size(), hvd.rank()
START = np.stack([1 + 0.5 * np.arange(N), 1 - 0.25 * np.arange(N)], axis=1)  # [n, 2], learner by learner
PULL = np.stack([np.arange(N) - (N - 1) / 2, np.cos(np.arange(N)) - np.cos(np.arange(N)).mean()], axis=1)
RATE, UPDATES = 0.05, 2


def gradient(x):
    """Of learner i: |x - PULL_i|^2 / 2, whose mean over learners is least at 0: [n, 2] of [n, 2]."""
    return x - PULL


def play(make, steps, start=START):
    """This learner's weights after each step of two updates: [steps, 2]."""
    player = plain_player("both", start[RANK], keras.optimizers.SGD(RATE))
    strategy = make([strategies.Player(player.name, player.model, player.optimizer, updates=UPDATES)])
    (player,) = strategy.players

    @tf.function(autograph=False)
    def step(k):
        begun = strategy.begin_step(k)
        for index in range(UPDATES):
            update = k * UPDATES + index
            mixing = strategy.begin_update(player, update)
            gradients = [v - tf.cast(PULL[RANK, i], tf.float32) for i, v in enumerate(player.values())]
            strategy.apply(player, gradients, tf.constant(True), mixing)
            strategy.combine(player, update, index == UPDATES - 1)
        strategy.end_step(begun)
        return tf.concat(player.values(), 0)

    found = np.stack([step(tf.constant(k, tf.int64)).numpy() for k in range(steps)])
    assert step.experimental_get_tracing_count() == 1
    return found, strategy


def quasi_global(schedule, mix_after):
    return lambda players: strategies.QuasiGlobalMomentum(
        players, schedule=schedule, mix_after=mix_after, momentum=0.8, channel=f"qg {mix_after}"
    )


@pytest.mark.parametrize("mix_after", ["step", "update"])
def test_quasi_global_momentum_follows_its_recursion(mix_after):
    schedule = topology.make_schedule("ring", N)
    got, strategy = play(quasi_global(schedule, mix_after), 8)
    x, m, path = START.copy(), np.zeros_like(START), []
    for k in range(8):
        begun = x
        for index in range(UPDATES):
            x = x - RATE * gradient(x)
            if mix_after == "update" or index == UPDATES - 1:
                x = schedule.matrix(k) @ (x - 0.8 * m)
                m, begun = 0.8 * m + 0.2 * (begun - x), x
        path.append(x)
    np.testing.assert_allclose(got, np.stack(path)[:, RANK], rtol=0, atol=2e-6)
    assert sorted(strategy.state) == ["before/both", "momentum/both"]


def test_diloco_follows_its_recursion():
    everywhere = np.repeat(START[:1], N, axis=0)
    got, _ = play(lambda players: strategies.DiLoCo(players, every=3, rate=0.7, momentum=0.9), 10, everywhere)
    x, common, b, path = everywhere.copy(), everywhere[0], np.zeros(2), []
    for k in range(10):
        for _ in range(UPDATES):
            x = x - RATE * gradient(x)
        if k % 3 == 2:
            drift = common - x.mean(axis=0)
            b = 0.9 * b + drift
            common = common - 0.7 * (drift + 0.9 * b)
            x = np.repeat(common[np.newaxis], N, axis=0)
        path.append(x)
    np.testing.assert_allclose(got, np.stack(path)[:, RANK], rtol=0, atol=2e-6)


@pytest.mark.parametrize("order", ["late", "after"])
def test_lookahead_follows_its_recursion(order):
    schedule = topology.make_schedule("ring", N)
    kind = strategies.Decentralized if order == "late" else strategies.AdaptThenCombine
    got, strategy = play(
        lambda players: strategies.Lookahead(
            kind(players, schedule=schedule, channel=f"lookahead {order}"), every=3, rate=0.5
        ),
        10,
    )
    x, slow, path, W = START.copy(), START.copy(), [], schedule.matrix(0)
    for k in range(10):
        before = x
        for _ in range(UPDATES):
            x = x - RATE * gradient(x)
        x = W @ x if order == "after" else W @ before + (x - before)
        if k % 3 == 2:
            x = slow = slow + 0.5 * (x - slow)
        path.append(x)
    np.testing.assert_allclose(got, np.stack(path)[:, RANK], rtol=0, atol=2e-6)
    assert list(strategy.state) == ["slow"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(quasi_global(topology.make_schedule("ring", N), "update"), id="quasi-global"),
        pytest.param(lambda players: strategies.DiLoCo(players, every=5, rate=0.7, momentum=0.5), id="diloco"),
        pytest.param(
            lambda players: strategies.Lookahead(
                strategies.AdaptThenCombine(players, schedule=topology.make_schedule("complete", N), channel="ends"),
                every=5,
                rate=0.5,
            ),
            id="lookahead",
        ),
    ],
)
def test_the_mean_over_learners_ends_where_the_common_loss_is_least(make):
    found, _ = play(make, 300)
    end = hvd.allgather(tf.constant(found[-1:])).numpy()
    assert np.linalg.norm(end.mean(axis=0)) < 1e-3
    # Each learner alone would end at its own PULL.
    assert np.abs(end).max() < 0.6 * np.abs(PULL).max()
