"""Adapt then combine against a NumPy recursion over all learners, in the trainer's own step."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import scalar_nets
import tensorflow as tf

from distributed.closed_form import rounded
from tfdgan.cli.objects import make_trainer
from tfdgan.gossip import topology
from tfdgan.tasks import ImageOptions, ImageTask

N, RANK = hvd.size(), hvd.rank()
BATCH, CRITIC_STEPS, LR_U, LR_V = 2, 3, 0.05, 0.1
U, V = 0.5 + 0.25 * np.arange(N), 2 - 0.5 * np.arange(N)  # where learners start
A = np.cos(np.arange(N))  # their data


def trainer_of(**changes):
    """Generator u, critic f(x) = v x: the critic's loss is v (u - a) at data a, the generator's -v u."""
    generator = keras.Sequential([keras.Input((3,)), scalar_nets.Constant()])
    critic = scalar_nets.linear(2.0)
    options = ImageOptions(
        dataset="gaussians", model="given", latent_size=3, batch_size=BATCH, gradient_penalty=0.0, optimizer="sgd",
        critic_steps=CRITIC_STEPS, learning_rate_g=LR_U, learning_rate_d=LR_V, steps=100, ema_decay=0.0,
        mix_order="after", **changes,
    )  # fmt: skip
    trainer = make_trainer(options, ImageTask(options, generator, critic), generator, critic, learner=RANK, size=N)
    for player in trainer.players:
        (variable,) = player.variables
        variable.assign(tf.fill(variable.shape, np.float32((U if player.name == "generator" else V)[RANK])))
    trainer.reset()
    return trainer


def play(trainer, steps):
    """(u, v) of this learner after each step: [steps, 2]."""
    path = []
    for step in range(steps):
        trainer.step(tf.constant(step, tf.int64), tf.fill([CRITIC_STEPS * BATCH, 1], np.float32(A[RANK])))
        found = scalar_nets.values_of(trainer)
        path.append((found["generator"], found["critic"]))
    return np.array(path)


def recursion(schedule, steps, mix_after, simultaneous, rounds=1, wire=None):
    """(u, v) of all learners after each step: [steps, 2, N]."""

    def mix(x, index):
        M = schedule.matrix(index, rounds)
        sent = rounded(x, wire) if wire else x
        return x + (M - np.eye(N)) @ sent

    u, v, path = U.copy(), V.copy(), []
    for k in range(steps):
        for c in range(CRITIC_STEPS):
            gradients = u - A, -v
            v = v - LR_V * gradients[0]
            if mix_after == "update" and c < CRITIC_STEPS - 1:
                v = mix(v, k * CRITIC_STEPS + c)
        u = u - LR_U * (gradients[1] if simultaneous else -v)
        v = mix(v, k * CRITIC_STEPS + CRITIC_STEPS - 1 if mix_after == "update" else k)
        u = mix(u, k)
        path.append((u.copy(), v.copy()))
    return np.array(path)


@pytest.mark.parametrize(
    "name, mix_after, update, backend, random",
    [
        ("ring", "step", "simultaneous", "native", False),
        ("ring", "step", "alternating", "horovod", True),
        ("ring", "update", "simultaneous", "native", True),
        ("ring", "update", "alternating", "native", False),
        ("ring", "update", "simultaneous", "horovod_pairs", False),
        ("one_peer_exponential", "update", "alternating", "horovod", False),
        ("one_peer_exponential", "step", "simultaneous", "native", False),
    ],
)
def test_the_trainer_follows_the_recursion(name, mix_after, update, backend, random):
    schedule = topology.make_schedule(name, N, random=random, seed=0)
    trainer = trainer_of(
        topology=name, mix_after=mix_after, update=update, gossip_backend=backend, random_mixing=random
    )
    got = play(trainer, 6)
    want = recursion(schedule, 6, mix_after, update == "simultaneous")
    np.testing.assert_allclose(got, want[:, :, RANK], rtol=0, atol=2e-6)
    assert trainer.step.experimental_get_tracing_count() == 1
    # It sees the exchange, when it takes place, and the order of the players.
    for other in (
        recursion(topology.make_schedule("complete", N), 6, mix_after, update == "simultaneous"),
        recursion(schedule, 6, "step" if mix_after == "update" else "update", update == "simultaneous"),
        recursion(schedule, 6, mix_after, update != "simultaneous"),
    ):
        assert np.abs(got - other[:, :, RANK]).max() > 1e-3


def ancestors(graph, name):
    """The names of all operations that one waits for."""
    found, unseen = set(), [graph.get_operation_by_name(name)]
    while unseen:
        op = unseen.pop()
        if op.name not in found:
            found.add(op.name)
            unseen += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return found


def test_what_of_the_exchange_is_waited_for():
    """In the compiled step of simultaneous updates, mixed once a step: the generator's mix begins before the critic's
    last gradient, which does not wait for it; both mixes are awaited together, after all gradients."""
    trainer = trainer_of(topology="ring", gossip_backend="native")
    samples = tf.TensorSpec([CRITIC_STEPS * BATCH, 1])
    graph = trainer.step.get_concrete_function(tf.TensorSpec([], tf.int64), samples).graph
    of_kind = lambda kind: {op.name for op in graph.get_operations() if op.type == kind}  # noqa: E731
    begun, awaited = of_kind("TfdganMixStart"), of_kind("TfdganMixFinish")
    assert len(begun) == 1 and len(awaited) == 2  # the critic's begins inside of its update's function
    (critic,) = [
        name
        for name in of_kind("StatefulPartitionedCall")
        if "last_critic" in str(graph.get_operation_by_name(name).get_attr("f").name)
    ]
    assert begun <= ancestors(graph, critic) and not awaited & ancestors(graph, critic)
    for name in awaited:
        assert critic in ancestors(graph, name) and not (awaited - {name}) & ancestors(graph, name)


def test_two_rounds_on_a_16_bit_wire():
    """One round: x + sum_j W (Q(x_j) - Q(x_i)), as `gossip.mix` has it; the mean over learners stays exact."""
    schedule = topology.make_schedule("ring", N)
    got = play(trainer_of(topology="ring", wire_dtype="bfloat16"), 4)
    want = recursion(schedule, 4, "step", True, wire="bfloat16")
    np.testing.assert_allclose(got, want[:, :, RANK], rtol=0, atol=2e-6)
    exact = recursion(schedule, 4, "step", True)
    assert np.abs(want - exact).max() > 1e-4
    np.testing.assert_allclose(hvd.allreduce(tf.constant(got), op=hvd.Average), want.mean(axis=2), rtol=0, atol=1e-6)
    two = play(trainer_of(topology="one_peer_exponential", gossip_rounds=2), 4)
    one_peer = topology.make_schedule("one_peer_exponential", N)
    np.testing.assert_allclose(two, recursion(one_peer, 4, "step", True, rounds=2)[:, :, RANK], rtol=0, atol=2e-6)
    if N == 4:  # two hops of 4 learners average exactly
        assert np.ptp(hvd.allgather(tf.constant(two[-1:])).numpy(), axis=0).max() < 1e-5
