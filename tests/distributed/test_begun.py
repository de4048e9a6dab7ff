"""Exchanges that one tf.function begins and another one finishes, against the closed form; backends of one's own."""

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

from distributed.closed_form import LARGE, expected, inputs
from tfdgan import gossip
from tfdgan.errors import UserError
from tfdgan.gossip import topology

N, RANK = hvd.size(), hvd.rank()
EVERYONE = [[*inputs(rank, LARGE), np.float64([rank, 0.5]), np.zeros([0], np.float16)] for rank in range(N)]
SCHEDULES = [
    topology.make_schedule("exponential", N, seed=3),
    topology.make_schedule("one_peer_exponential", N, random=True, seed=3),
]


def check(results, schedule, step, rounds, scale=1):
    for result, *arrays in zip(results, *EVERYONE, strict=True):
        assert result.dtype == arrays[0].dtype and result.shape == arrays[0].shape
        want = expected(schedule, step, rounds, "float32", [np.asarray(scale * a, a.dtype) for a in arrays])[RANK]
        np.testing.assert_allclose(result, want, rtol=0, atol=1e-5 * scale)


class TwoFunctions:
    """`begin` in one tf.function, `complete` in another or eagerly; each is traced once."""

    def __init__(self, schedule, rounds, backend, in_function):
        kept = []
        self.tracings = {"begin": 0, "complete": 0}

        @tf.function  # under AutoGraph, as users write it; other tests trace faster without
        def begin(tensors, step):
            self.tracings["begin"] += 1
            begun = gossip.begin(tensors, schedule, step, rounds=rounds, backend=backend, channel="two")
            kept.append(begun)
            return begun.pending

        def complete(pending):
            self.tracings["complete"] += 1
            return kept[0].complete(pending)

        self.begin, self.complete = begin, tf.function(complete) if in_function else complete


@pytest.mark.parametrize("in_function", [False, True])
@pytest.mark.parametrize("backend", ["native", "horovod"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_begun_in_a_function_completed_elsewhere(schedule, backend, in_function):
    functions = TwoFunctions(schedule, 2, backend, in_function)
    for step in (0, 3, 4):
        pending = functions.begin([tf.constant(a) for a in EVERYONE[RANK]], tf.constant(step, tf.int64))
        check(functions.complete(pending), schedule, step, 2)
    assert functions.tracings == {"begin": 1, "complete": 1 if in_function else 3}


@pytest.mark.parametrize("backend", ["native", "horovod"])
def test_begun_eagerly_completed_in_a_function(backend):
    begun = gossip.begin([tf.constant(a) for a in EVERYONE[RANK]], SCHEDULES[0], 1, backend=backend, channel="eager")
    check(tf.function(begun.complete, autograph=False)(begun.pending), SCHEDULES[0], 1, 1)


@pytest.mark.parametrize("backend", ["native", "horovod"])
def test_several_are_under_way_at_once_and_completed_in_any_order(backend):
    functions = TwoFunctions(SCHEDULES[0], 1, backend, in_function=True)
    pending = [
        functions.begin([tf.constant(np.asarray(scale * a, a.dtype)) for a in EVERYONE[RANK]], tf.constant(0, tf.int64))
        for scale in (1, 2, 3)
    ]
    for scale in (2, 3, 1):
        check(functions.complete(pending[scale - 1]), SCHEDULES[0], 0, 1, scale)


def test_weights_that_change_meanwhile_were_sent_as_they_were():
    """A batch between begin and complete, as Keras' fit has it: variables move, what was begun does not."""
    schedule, batches = SCHEDULES[0], 3
    weights = [tf.Variable(tf.fill([50_000], 10.0 * RANK)), tf.Variable([float(RANK)])]
    kept = []

    @tf.function(autograph=False)
    def begin(step):
        begun = gossip.begin(weights, schedule, step, backend="native", channel="batches")
        kept[:] = [begun]
        return begun.pending

    @tf.function(autograph=False)
    def train():
        for weight in weights:
            weight.assign_add(tf.ones_like(weight) * (1.0 + RANK))

    @tf.function(autograph=False)
    def complete(pending, before):
        for weight, old, new in zip(weights, before, kept[0].complete(pending), strict=True):
            weight.assign_add(new - old)

    want = np.stack([10.0 * np.arange(N), np.arange(N)], axis=1)
    for batch in range(batches):
        before = [tf.identity(weight) for weight in weights]
        pending = begin(tf.constant(batch, tf.int64))
        train()
        complete(pending, before)
        want = schedule.matrix(batch) @ want + (1.0 + np.arange(N))[:, np.newaxis]
    np.testing.assert_allclose(weights[0], np.full(50_000, want[RANK, 0]), rtol=1e-5)
    np.testing.assert_allclose(weights[1], [want[RANK, 1]], rtol=1e-5)


def test_late_mixes_are_completed_elsewhere_too():
    schedule, kept = SCHEDULES[1], []

    @tf.function(autograph=False)
    def begin(tensors, before, step):
        begun = gossip.begin_late(tensors, before, schedule, step, channel="late")
        kept[:] = [begun]
        return begun.pending

    complete = tf.function(lambda pending: kept[0].complete(pending))
    before = 0.0
    for step in range(4):
        now = float(RANK + step)
        pending = begin([tf.constant([now])], [tf.constant([before])], tf.constant(step, tf.int64))
        want = schedule.matrix(step - 1)[RANK] @ (np.arange(N) + step - 1) if step else 0.0
        np.testing.assert_allclose(complete(pending)[0], [want], rtol=1e-5, atol=1e-6)
        before = now
    gossip.forget([tf.constant([1.0])], "late")
    first = gossip.begin_late([tf.constant([1.0])], [tf.constant([float(RANK)])], schedule, 5, channel="late").finish()
    np.testing.assert_allclose(first[0], [schedule.matrix(4)[RANK] @ np.arange(N)], rtol=1e-6)
    gossip.forget([tf.constant([1.0])], "late")


class Gathering(gossip.RoundExchange):
    """A round by allgather: every learner sends to all, which only the weights notice."""

    name = "gathering"

    def __init__(self):
        self.calls = []

    def check(self, schedule):
        if schedule.random:
            raise UserError("gossip backend gathering: no random schedules")

    def gossip_round(self, x, schedule, step, rounds, round_index, wire, name):
        self.calls.append((rounds, round_index, wire, name))
        everyone = hvd.allgather(x[tf.newaxis], name=name, ignore_name_scope=True)
        W = tf.constant(schedule.matrices)[(step * rounds + round_index) % schedule.period]
        return tf.linalg.matvec(everyone, tf.cast(W[RANK], x.dtype), transpose_a=True)


class Whole(gossip.Exchange):
    """All rounds at once, and the products of the pending tensors when they are completed."""

    name = "whole"

    def begin(self, tensors, schedule, step, rounds, wire, channel):
        gathered = [
            hvd.allgather(t[tf.newaxis], name=f"{channel}.{i}", ignore_name_scope=True) for i, t in enumerate(tensors)
        ]
        row = schedule.matrix(0, rounds)[RANK]
        shapes = [t.shape for t in tensors]

        def complete(pending):
            return [
                tf.ensure_shape(tf.tensordot(tf.constant(row, all_.dtype), all_, 1), shape)
                for all_, shape in zip(pending, shapes, strict=True)
            ]

        return gossip.Begun(gathered, [], complete)


@pytest.mark.parametrize("make", [Gathering, Whole])
def test_a_backend_of_ones_own(make):
    schedule, backend = SCHEDULES[0], make()
    tensors = [tf.constant(a) for a in EVERYONE[RANK]]
    check(gossip.mix(tensors, schedule, 2, rounds=2, backend=backend), schedule, 2, 2)
    functions = TwoFunctions(schedule, 2, backend, in_function=True)
    check(functions.complete(functions.begin(tensors, tf.constant(0, tf.int64))), schedule, 0, 2)


def test_a_backend_of_ones_own_is_asked_and_named():
    backend, x = Gathering(), [tf.constant([1.0])]
    gossip.mix([tf.constant([1.0]), tf.constant([1.0], tf.float64)], SCHEDULES[0], 0, backend=backend, channel="own",
               wire_dtype="float32", rounds=2)  # fmt: skip
    names = [f"tfdgan.mix.own.{dtype}.{index}" for dtype in ("float32", "float64") for index in (0, 1)]
    assert backend.calls == [(2, i % 2, tf.float32, name) for i, name in enumerate(names)]
    with pytest.raises(UserError, match="gathering: no random schedules"):
        gossip.mix(x, SCHEDULES[1], 0, backend=backend)
    with pytest.raises(UserError, match="backend gathering: cannot mix late"):
        gossip.begin_late(x, x, SCHEDULES[0], 0, backend=backend)
    with pytest.raises(UserError, match="backend gathering: cannot gather"):
        gossip.begin_gather(tf.constant([1], tf.uint8), SCHEDULES[0], 0, backend=backend)
