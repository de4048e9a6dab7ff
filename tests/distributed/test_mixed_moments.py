"""Second moments that are mixed with the weights, against optimistic Adam of all learners in NumPy."""

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

from distributed.closed_form import rounded
from distributed.plain_players import player as plain_player
from tfdgan import strategies
from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tfdgan.optimizers import OptimisticAdam

N, RANK, SIZE = hvd.size(), hvd.rank(), 5
LR, B1, B2, UPDATES = 0.05, 0.5, 0.9, 2
START = np.array([np.linspace(1, 2 + rank, SIZE) for rank in range(N)])


def noisy(update):
    """(g - w, q) of all learners at an update: float64 [n, size] each. Learners' gradients differ in size."""
    random = np.random.default_rng(update)
    scale = 1 + np.arange(N)[:, np.newaxis]
    return scale * random.standard_normal((N, SIZE)), scale**2 * random.uniform(0.5, 1.5, (N, SIZE))


def play(order, mix_after, steps, **exchange):
    """This learner's (weights, v, s) after each step, and the strategy."""
    optimizer = OptimisticAdam(LR, B1, B2, second_moment="split_batch")
    player = plain_player("net", [START[RANK]], optimizer)
    players = [strategies.Player(player.name, player.model, optimizer, updates=UPDATES)]
    kind = strategies.AdaptThenCombine if order == "after" else strategies.Decentralized
    strategy = kind(players, mix_after=mix_after, channel=f"moments {order} {mix_after}", **exchange)
    (player,) = strategy.players

    @tf.function(autograph=False)
    def step(k, pushes, noises):
        begun = strategy.begin_step(k)
        with tf.control_dependencies(strategy.started(begun)):
            for index in range(UPDATES):
                update = k * UPDATES + index
                mixing = strategy.begin_update(player, update)
                gradients = [value + pushes[index] for value in player.values()]
                player.observe_noise(tf.constant(True), [noises[index]], gradients)
                strategy.apply(player, gradients, tf.constant(True), mixing)
                strategy.combine(player, update, index == UPDATES - 1)
        strategy.end_step(begun)
        return tf.stack([*player.values(), *map(tf.convert_to_tensor, player.second_moments)])

    path = []
    for k in range(steps):
        inputs = [np.stack(x)[:, RANK] for x in zip(*(noisy(k * UPDATES + i) for i in range(UPDATES)), strict=True)]
        path.append(step(tf.constant(k, tf.int64), *(tf.constant(x, tf.float32) for x in inputs)).numpy())
    assert step.experimental_get_tracing_count() == 1
    return np.stack(path), strategy


def recursion(schedule, order, mix_after, steps, every, wire=None):
    """(weights, v, s) of all learners after each step: [steps, 3, n, size]."""
    w, m, v, s, d = START.copy(), *np.zeros((4, N, SIZE))
    path = []

    def mixed(x, index, by=schedule):
        sent = rounded(x, wire) if wire else x
        return x + (by.matrix(index) - np.eye(N)) @ sent

    rare = schedule.thinned(every or 1)  # takes its matrices in turn

    for k in range(steps):
        for i in range(UPDATES):
            t = k * UPDATES + i + 1
            turn, due = (t - 1, True) if mix_after == "update" else (k, i == (UPDATES - 1 if order == "after" else 0))
            if due and order == "late":
                begun, results = (w, v, s), (mixed(w, turn), mixed(v, turn, rare), mixed(s, turn, rare))
            push, q = noisy(t - 1)
            g = w + push
            m, v, s = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g, B2 * s + (1 - B2) * q
            v_hat, s_hat = v / (1 - B2**t), s / (1 - B2**t)
            direction = m / (1 - B1**t) / (np.sqrt(np.maximum(v_hat - (1 - 1 / N) * s_hat, s_hat / N)) + 1e-8)
            w, d = w - LR * (2 * direction - (direction if t == 1 else d)), direction
            moments_too = every and turn % every == 0
            if due and order == "after":
                w = mixed(w, turn)
                v, s = (mixed(x, turn, rare) if moments_too else x for x in (v, s))
            if order == "late" and (mix_after == "update" or i == UPDATES - 1):
                w = w + results[0] - begun[0]
                if moments_too:
                    v, s = (np.maximum(x + r - b, 0) for x, r, b in zip((v, s), results[1:], begun[1:], strict=True))
        path.append((w, v, s))
    return np.array(path)


@pytest.mark.parametrize(
    "order, mix_after, every, name, wire",
    [
        ("after", "step", 1, "ring", None),
        ("after", "update", 3, "one_peer_exponential", None),
        ("after", "step", 2, "ring", "bfloat16"),
        ("late", "step", 2, "one_peer_exponential", None),
        ("late", "update", 1, "ring", None),
    ],
)
def test_moments_follow_the_recursion(order, mix_after, every, name, wire):
    schedule = topology.make_schedule(name, N)
    how = dict(schedule=schedule, wire_dtype=wire, mix_moments=every)
    got, strategy = play(order, mix_after, 7, **how)
    want = recursion(schedule, order, mix_after, 7, every, wire)
    np.testing.assert_allclose(got, want[:, :, RANK], rtol=2e-5, atol=2e-5)
    unmixed = recursion(schedule, order, mix_after, 7, 0, wire)
    assert np.abs(want - unmixed)[:, 1].max() > 0.1 and np.abs(want - unmixed)[:, 0].max() > 0.01
    neighbours = schedule.mean_neighbors * (UPDATES if mix_after == "update" else 1)
    assert strategy.bytes_a_step() == (2 if wire else 4) * SIZE * neighbours * (1 + 2 / every)


def test_what_falls_below_0_becomes_0():
    """Late, at a topology that keeps nothing of one's own: v (end) - v (start) takes away more than neighbours give."""
    away = np.roll(np.eye(N), 1, axis=0)
    path, _ = play("late", "step", 3, schedule=topology.make_schedule(away, N), mix_moments=1)
    assert (path[:, 1:] >= 0).all() and np.isfinite(path).all()


def test_an_optimizer_without_second_moments_is_refused():
    import keras

    players = [plain_player("net", [START[RANK]], keras.optimizers.SGD(0.1))]
    with pytest.raises(UserError, match="mix_moments=2: SGD has no second moments to mix; use OptimisticAdam"):
        strategies.Decentralized(players, schedule=topology.make_schedule("ring", N), mix_moments=2)
