"""Second moments that are mixed with the weights, against optimistic Adam of all learners in NumPy."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

from distributed.closed_form import rounded
from distributed.plain_players import player as plain_player
from tfdgan import strategies
from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tfdgan.optimizers import OptimisticAdam

N, RANK, SIZE, FIRST = hvd.size(), hvd.rank(), 5, 2  # numbers of a player, of which its first variable has 2
LR, B1, B2, UPDATES = 0.05, 0.5, 0.9, 2
START = np.array([np.linspace(1, 2 + rank, SIZE) for rank in range(N)])


def noisy(update):
    """(g - w, q) of all learners at an update: float64 [n, size] each. Learners' gradients differ in size."""
    random = np.random.default_rng(update)
    scale = 1 + np.arange(N)[:, np.newaxis]
    return scale * random.standard_normal((N, SIZE)), scale**2 * random.uniform(0.5, 1.5, (N, SIZE))


def play(mix_after, steps, second_moment, **exchange):
    """This learner's [weights, v] or [weights, v, s] after each step, and the strategy."""
    optimizer = OptimisticAdam(LR, B1, B2, second_moment=second_moment)
    net = plain_player("net", [START[RANK, :FIRST], START[RANK, FIRST:]], optimizer)
    players = [strategies.Player("net", net.model, optimizer, updates=UPDATES)]
    strategy = strategies.AdaptThenCombine(players, mix_after=mix_after, channel=f"moments.{mix_after}", **exchange)
    (player,) = strategy.players

    @tf.function(autograph=False)
    def step(k, pushes, noises):
        for index in range(UPDATES):
            push, noise = (tf.split(x[index], [FIRST, SIZE - FIRST]) for x in (pushes, noises))
            gradients = [value + part for value, part in zip(player.values(), push, strict=True)]
            if second_moment == "split_batch":
                player.observe_noise(tf.constant(True), noise, gradients)
            strategy.apply(player, gradients, tf.constant(True), None)
            strategy.combine(player, k * UPDATES + index, index == UPDATES - 1)
        numbers = tf.concat([*player.values(), *map(tf.convert_to_tensor, optimizer.second_moments)], 0)
        return tf.reshape(numbers, [-1, SIZE])

    path = []
    for k in range(steps):
        inputs = [np.stack(x)[:, RANK] for x in zip(*(noisy(k * UPDATES + i) for i in range(UPDATES)), strict=True)]
        path.append(step(tf.constant(k, tf.int64), *(tf.constant(x, tf.float32) for x in inputs)).numpy())
    assert step.experimental_get_tracing_count() == 1
    return np.stack(path), strategy


def recursion(matrices, mix_after, steps, every, split, wire=None):
    """[weights, v, s] of all learners after each step: [steps, 3, n, size]. Moments: every `every`-th mix; 0: none."""
    w, m, v, s, d = START.copy(), *np.zeros((4, N, SIZE))
    path = []

    def mixed(x, turn):
        sent = rounded(x, wire) if wire else x
        return x + (matrices[turn % len(matrices)] - np.eye(N)) @ sent

    for k in range(steps):
        for i in range(UPDATES):
            t = k * UPDATES + i + 1
            push, q = noisy(t - 1)
            g = w + push
            m, v, s = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g, B2 * s + (1 - B2) * q
            v_hat, s_hat = v / (1 - B2**t), s / (1 - B2**t)
            v_hat = np.maximum(v_hat - (1 - 1 / N) * s_hat, s_hat / N) if split else v_hat
            direction = m / (1 - B1**t) / (np.sqrt(v_hat) + 1e-8)
            w, d = w - LR * (2 * direction - (direction if t == 1 else d)), direction
            turn, due = (t - 1, True) if mix_after == "update" else (k, i == UPDATES - 1)
            if due:
                w = mixed(w, turn)
            if due and every and turn % every == 0:  # by matrices in a turn of their own
                v, s = mixed(v, turn // every), mixed(s, turn // every)
        path.append((w, v, s))
    return np.array(path)


@pytest.mark.parametrize(
    "mix_after, every, name, wire, second_moment, backend",
    [
        ("step", 1, "ring", None, "split_batch", "native"),
        ("update", 3, "one_peer_exponential", None, "split_batch", "native"),
        ("step", 2, "one_peer_exponential", "bfloat16", "split_batch", "native"),
        ("step", 2, "ring", None, "own", "horovod"),
    ],
)
def test_moments_follow_the_recursion(mix_after, every, name, wire, second_moment, backend):
    schedule = topology.make_schedule(name, N)
    how = dict(schedule=schedule, wire_dtype=wire, mix_moments=every, backend=backend)
    got, strategy = play(mix_after, 7, second_moment, **how)
    split = second_moment == "split_batch"
    want = recursion(schedule.matrices, mix_after, 7, every, split, wire)[:, : 3 if split else 2]
    np.testing.assert_allclose(got, want[:, :, RANK], rtol=2e-5, atol=2e-5)
    unmixed = recursion(schedule.matrices, mix_after, 7, 0, split, wire)
    assert np.abs(want - unmixed[:, : want.shape[1]]).max(axis=(0, 2, 3))[:2].min() > 0.01
    sent = schedule.mean_neighbors * (UPDATES if mix_after == "update" else 1) * (2 if wire else 4) * SIZE
    assert strategy.bytes_a_step() == pytest.approx(sent * (1 + (2 if split else 1) / every))


def test_rounding_takes_no_moment_below_0():
    """bfloat16 rounds 1.005 up by .0028; a matrix that keeps nothing of a learner's own leaves this to be taken off."""
    optimizer = OptimisticAdam(LR, B1, B2)
    net = plain_player("net", [START[RANK]], optimizer)
    away = topology.make_schedule(np.roll(np.eye(N), 1, axis=1), N)  # learner i takes what i + 1 has
    how = dict(schedule=away, wire_dtype="bfloat16", channel="rounding", mix_moments=1)
    strategy = strategies.AdaptThenCombine([net], **how)
    (moment,) = optimizer.second_moments
    moment.assign(tf.fill(moment.shape, 0.0 if RANK % 2 else 1.005))
    tf.function(lambda: strategy.combine(net, tf.constant(0, tf.int64), True))()
    np.testing.assert_array_equal(moment, np.full(SIZE, 1.0078125 if RANK % 2 else 0, np.float32))


@pytest.mark.parametrize(
    "optimizer, changes, said",
    [
        (keras.optimizers.SGD(0.1), {}, "mix_moments=2: SGD has no second moments to mix; use OptimisticAdam"),
        (
            OptimisticAdam(0.1),
            dict(wire_dtype="float16"),
            "mix_moments=2: squares do not fit into float16; use bfloat16",
        ),
    ],
)
def test_what_cannot_be_mixed_is_refused(optimizer, changes, said):
    players = [plain_player("net", [START[RANK]], optimizer)]
    with pytest.raises(UserError, match=said):
        strategies.AdaptThenCombine(players, schedule=topology.make_schedule("ring", N), mix_moments=2, **changes)
