"""Sparing ways to mix, delayed, rare, accelerated and compressed, against NumPy recursions over all learners."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

from distributed.plain_players import player as plain_player
from tfdgan import gossip, strategies
from tfdgan.errors import UserError
from tfdgan.gossip import compression, topology
from tfdgan.optimizers import OptimisticAdam

N, RANK = hvd.size(), hvd.rank()
START = np.stack([1 + 0.5 * np.arange(N), 1 - 0.25 * np.arange(N)], axis=1)  # [n, 2], learner by learner
PULL = np.stack([np.arange(N) - (N - 1) / 2, np.cos(np.arange(N)) - np.cos(np.arange(N)).mean()], axis=1)
RATE = 0.05


def game(x):
    """Gradients of u v + a_i u + b_i v, u descending and v ascending: [..., n, 2] of [..., n, 2]."""
    return np.stack([x[..., 1] + PULL[:, 0], -(x[..., 0] + PULL[:, 1])], axis=-1)


def finite(gradients):
    return tf.math.is_finite(tf.linalg.global_norm(gradients))


def one_player(start, optimizer=None):
    return plain_player("both", start, optimizer or keras.optimizers.SGD(RATE))


def stepper(player, strategy):
    """A compiled step of the game by SGD, and its count of tracings."""
    traced = []

    @tf.function(autograph=False)
    def step(k):
        traced.append(1)
        begun = strategy.begin_step(k)
        with tf.control_dependencies(strategy.started(begun)):
            u, v = player.values()
            gradients = [v + tf.cast(PULL[RANK, 0], tf.float32), -(u + tf.cast(PULL[RANK, 1], tf.float32))]
        strategy.apply(player, gradients, finite(gradients), strategy.begin_update(player, k))
        strategy.end_step(begun)
        return tf.concat(player.values(), 0)

    return step, traced


def delayed_in_numpy(schedule, steps, rounds=1):
    """x_{k+1} = x_k + (V - I) x_{k-1} - RATE g(x_k), V = (I + M_{k-1}) / 2: [steps, n, 2]."""
    x, before, path = START.copy(), START.copy(), []
    for k in range(steps):
        mixed = schedule.matrix(max(k - 1, 0), rounds) @ before
        x, before = x + (mixed - before) / 2 - RATE * game(x), x
        path.append(x)
    return np.stack(path)


def delayed(schedule, player):
    return strategies.Delayed([player], schedule=schedule, rounds=1, backend="auto", wire_dtype="float32")


@pytest.mark.parametrize("name, random", [("ring", False), ("ring", True), ("one_peer_exponential", False)])
def test_delayed_mixing_follows_its_recursion(name, random):
    schedule = topology.make_schedule(name, N, random=random, seed=5)
    player = one_player(START[RANK])
    step, traced = stepper(player, delayed(schedule, player))
    got = np.stack([step(tf.constant(k, tf.int64)).numpy() for k in range(30)])
    np.testing.assert_allclose(got, delayed_in_numpy(schedule, 30)[:, RANK], rtol=0, atol=2e-5)
    assert len(traced) == 1
    gossip.forget(player.values(), "weights")


def test_delayed_mixing_goes_on_from_its_state():
    """What is under way is lost with the process; weights and state make it again."""
    schedule = topology.make_schedule("ring", N, random=True, seed=5)
    first = one_player(START[RANK])
    strategy = delayed(schedule, first)
    step, _ = stepper(first, strategy)
    for k in range(7):
        step(tf.constant(k, tf.int64))
    second = one_player([float(v[0]) for v in first.values()])
    resumed = delayed(schedule, second)
    resumed.reset()
    for mine, stored in zip(resumed.state["before"], strategy.state["before"], strict=True):
        mine.assign(stored)
    step, _ = stepper(second, resumed)
    got = np.stack([step(tf.constant(k, tf.int64)).numpy() for k in range(7, 12)])
    np.testing.assert_allclose(got, delayed_in_numpy(schedule, 12)[7:, RANK], rtol=0, atol=2e-5)
    resumed.reset()


def test_delayed_mixing_refuses_other_backends():
    with pytest.raises(UserError, match="backend horovod: cannot mix late"):
        schedule = topology.make_schedule("ring", N)
        strategies.Delayed([one_player([0.0, 0.0])], schedule=schedule, backend="horovod")


@pytest.mark.parametrize("backend", ["native", "horovod"])
@pytest.mark.parametrize("name, random", [("ring", False), ("ring", True), ("one_peer_exponential", False)])
def test_mixing_every_third_step(name, random, backend):
    schedule = topology.make_schedule(name, N, random=random, seed=2, every=3)
    x = tf.constant(START[RANK], tf.float32)
    for step in (0, 1, 2, 3, 6, 7):
        got = gossip.mix([x], schedule, step, backend=backend, channel=f"every {name} {random} {backend}")[0]
        again = topology.make_schedule(name, N, random=random, seed=2)
        want = START if step % 3 else again.matrix(step // 3) @ START
        np.testing.assert_allclose(got, want[RANK], rtol=0, atol=1e-6)


@pytest.mark.parametrize("random", [False, True])
def test_chebyshev_rounds_are_a_polynomial_of_the_matrix(random):
    """T_2(y) = 2 y^2 - 1, y the eigenvalues but 1 stretched to -1 .. 1."""
    schedule = topology.make_schedule("star", N, random=random, seed=4, chebyshev_rounds=2)
    W = topology.mixing_matrix("star", N)
    a, b = np.linalg.eigvalsh(W)[[0, -2]]
    Y, y = (2 * W - (a + b) * np.eye(N)) / (b - a), (2 - a - b) / (b - a)
    P = (2 * Y @ Y - np.eye(N)) / (2 * y**2 - 1)
    order = schedule.permutation(3)
    got = gossip.mix([tf.constant(START[RANK], tf.float32)], schedule, 3, rounds=2, channel=f"chebyshev {random}")[0]
    np.testing.assert_allclose(got, (P[np.ix_(order, order)] @ START)[RANK], rtol=0, atol=2e-5)


def test_messages_reach_neighbours_only():
    schedule = topology.make_schedule("one_peer_exponential", N, every=1)
    fixed = topology.make_schedule(schedule.matrices[0], N)  # learner i receives from i - 1
    message = np.arange(70_000).astype(np.uint8) + np.uint8(RANK)
    (got,) = gossip.begin_gather(message, fixed, 0, channel="messages").finish()
    assert got.shape == (1, 70_000)
    np.testing.assert_array_equal(got[0], np.arange(70_000).astype(np.uint8) + np.uint8((RANK - 1) % N))
    with pytest.raises(UserError, match="other"):
        gossip.begin_gather(message, schedule if N > 2 else topology.make_schedule("ring", N, random=True), 0)


def choco_in_numpy(W, codes, rate, steps):
    """The published algorithm with a replica of each learner, in place of the sums that the strategy keeps."""
    x = np.tile(START[:1], (N, 1)).astype(np.float32)
    known, path = x.copy(), []
    for _ in range(steps):
        sent = np.stack([codes.decode(codes.encode(tf.constant(row))) for row in x - known])
        known = known + sent
        x = (x - RATE * game(x) + rate * (W @ known - known)).astype(np.float32)
        path.append(x)
    return np.stack(path)


@pytest.mark.parametrize("kind, fraction, rate", [("int8", 1.0, 1.0), ("top_k", 1e-9, 0.3)])
def test_compressed_mixing_follows_choco(kind, fraction, rate):
    """top_k keeps one of the two numbers."""
    schedule = topology.make_schedule("ring", N)
    player = one_player(START[0])
    code = compression.make(kind, 2, fraction)
    strategy = strategies.Compressed([player], schedule=schedule, code=code, rate=rate)
    step, traced = stepper(player, strategy)
    got = np.stack([step(tf.constant(k, tf.int64)).numpy() for k in range(30)])
    np.testing.assert_allclose(got, choco_in_numpy(schedule.matrix(0), code, rate, 30)[:, RANK], rtol=0, atol=1e-4)
    assert len(traced) == 1


def end_of_the_game(make, steps=2000):
    """Every learner's (u, v), [n, 2], after optimistic gradient steps of 0.1 from (1, 1). The mean's equilibrium is 0.

    Optimistic Adam with an epsilon that dwarfs the gradients: its own scales, other ones on each learner, would move
    the equilibrium of learners whose games differ.
    """
    player = one_player([1.0, 1.0], OptimisticAdam(1e3, beta_1=0.0, epsilon=1e4))
    strategy = make(player)

    @tf.function(autograph=False)
    def run():
        def one(k):
            begun = strategy.begin_step(k)
            u, v = player.values()
            gradients = [v + tf.cast(PULL[RANK, 0], tf.float32), -(u + tf.cast(PULL[RANK, 1], tf.float32))]
            strategy.apply(player, gradients, finite(gradients), strategy.begin_update(player, k))
            strategy.end_step(begun)
            return k + 1

        tf.while_loop(lambda k: k < steps, one, [tf.constant(0, tf.int64)])

    run()
    strategy.reset()
    return hvd.allgather(tf.concat(player.values(), 0)[tf.newaxis]).numpy()


def mixing(rounds=1, **schedule):
    def make(player):
        options = dict(rounds=rounds, backend="auto", wire_dtype="float32", mix_after="step")
        return strategies.Decentralized([player], schedule=topology.make_schedule("ring", N, **schedule), **options)

    return make


def compressed(kind, fraction, rate):
    def make(player):
        code = compression.make(kind, 2, fraction)
        return strategies.Compressed([player], schedule=topology.make_schedule("ring", N), code=code, rate=rate)

    return make


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda player: delayed(topology.make_schedule("ring", N), player), id="delayed"),
        pytest.param(mixing(every=4), id="every 4th"),
        pytest.param(mixing(rounds=3, chebyshev_rounds=3), id="chebyshev"),
        pytest.param(compressed("int8", 1.0, 1.0), id="int8"),
        pytest.param(compressed("top_k", 1e-9, 0.3), id="top_k"),
    ],
)
def test_each_converges_on_the_bilinear_game(make):
    end = end_of_the_game(make)
    assert np.linalg.norm(end.mean(axis=0)) < 0.01
    assert np.abs(end).max() < 0.6 * np.abs(PULL).max()  # without mixing each ends at its own game's equilibrium


def test_compressed_mixing_leaves_the_mean_where_it_is():
    """5,000 steps that only mix, from weights that differ: the mean moves by rounding alone, however long it takes."""
    player = one_player([0.05, 0.05])
    code = compression.make("int8", 2, 1.0)
    strategy = strategies.Compressed([player], schedule=topology.make_schedule("ring", N), code=code, rate=1.0)
    for variable, value in zip(player.variables, START[RANK], strict=True):
        variable.assign([value])

    @tf.function(autograph=False)
    def run():
        def one(k):
            strategy.end_step(strategy.begin_step(k))
            return k + 1

        tf.while_loop(lambda k: k < 5000, one, [tf.constant(0, tf.int64)])

    run()
    end = hvd.allgather(tf.concat(player.values(), 0)[tf.newaxis]).numpy()
    np.testing.assert_allclose(end.mean(axis=0), START.mean(axis=0), rtol=0, atol=1e-5)
    np.testing.assert_allclose(end, START.mean(axis=0)[np.newaxis] + 0 * end, rtol=0, atol=1e-4)


def test_a_schedule_of_chebyshev_factors_takes_its_own_rounds_only():
    schedule = topology.make_schedule("ring", N, chebyshev_rounds=2)
    with pytest.raises(UserError, match="rounds is 3; the schedule's matrices are for 2"):
        gossip.mix([tf.zeros([1])], schedule, 0, rounds=3)
