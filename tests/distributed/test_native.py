"""The native exchange: bit for bit the alltoall backend, whose closed form test_mix.py has, whatever it is given."""

import contextlib
import re
import sys
import time

import horovod.tensorflow as hvd
import numpy as np
import psutil
import pytest
import tensorflow as tf

from distributed.closed_form import LARGE, expected, inputs
from tfdgan import gossip
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tfdgan.gossip.native import assembly as assembly_module
from tfdgan.gossip.native import bootstrap, library
from tfdgan.gossip.native.assembly import Assembly

N, RANK = hvd.size(), hvd.rank()
MISSING = {2: {"torus"}, 3: {"torus", "hypercube"}}  # topologies that do not have this number of learners


def tensors(dtype=tf.float32):
    return [tf.cast(array, dtype) for array in inputs(RANK, LARGE)]


def schedules():
    for name in topology.NAMES:
        # On 8 each takes long: fixed are those alone which fewer learners do not have.
        for random in (False, True) if N < 8 or name in ("torus", "hypercube") else (True,):
            try:
                yield topology.make_schedule(name, N, random=random, seed=11)
            except UserError:
                assert name in MISSING.get(N, ()), name


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.numpy().tobytes() == b.numpy().tobytes()


@pytest.mark.parametrize("schedule", list(schedules()), ids=repr)
def test_equals_the_closed_form_and_the_alltoall_backend_bit_for_bit(schedule):
    everyone = list(zip(*(inputs(rank, LARGE) for rank in range(N)), strict=True))
    for wire in ("float32", "bfloat16", "float16"):
        for rounds in (1, 2, 3, 4):
            arguments = dict(step=5 + rounds, rounds=rounds, wire_dtype=wire)
            mixed = gossip.mix(tensors(), schedule, backend="native", **arguments)
            closed_form = (expected(schedule, 5 + rounds, rounds, wire, arrays)[RANK] for arrays in everyone)
            same(mixed, map(tf.constant, closed_form))
            if rounds == 2:  # the others are known by the closed form, which test_mix.py has for this backend too
                same(mixed, gossip.mix(tensors(), schedule, backend="horovod", **arguments))
            if wire == "float32":
                M = schedule.matrix(5 + rounds, rounds)
                for output, arrays in zip(mixed, everyone, strict=True):
                    plain = sum(M[RANK, j] * arrays[j] for j in range(N))
                    np.testing.assert_allclose(output, plain, rtol=0, atol=1e-5)


def test_a_second_start_with_other_options_names_them():
    gossip.mix(tensors(), topology.make_schedule("ring", N), 0, backend="native")
    bootstrap.start()  # which has nothing left to do
    if N > 1:
        with pytest.raises(UserError, match="^gossip_timeout=30.0: .* runs already, with gossip_timeout=60.0; give"):
            bootstrap.start(bootstrap.Settings(gossip_timeout=30.0))


@pytest.mark.parametrize("dtype", [tf.float64, tf.bfloat16, tf.float16])
def test_other_types_of_tensors(dtype):
    schedule = topology.make_schedule("ring", N, random=True, seed=2)
    for wire in (None, "float32", "bfloat16", "float16"):
        for rounds in (1, 3):
            arguments = dict(step=3, rounds=rounds, wire_dtype=wire)
            mixed = gossip.mix(tensors(dtype), schedule, backend="native", **arguments)
            same(mixed, gossip.mix(tensors(dtype), schedule, backend="horovod", **arguments))


def test_auto_is_native():
    before = library.counters()["calls"]
    gossip.mix(tensors(), topology.make_schedule("ring", N), 0)
    assert library.counters()["calls"] - before == (1 if N > 1 else 0)


def test_200_variables_at_once_and_no_retracing():
    schedule = topology.make_schedule("exponential", N, random=True)
    variables = [tf.Variable(tf.fill([i % 7, 3], float(RANK + i))) for i in range(200)]

    @tf.function(autograph=False)
    def mixed(step):
        return gossip.mix(variables, schedule, step, backend="native")

    for step in range(5):
        outputs = mixed(tf.constant(step, tf.int64))
        row = schedule.matrix(step)[RANK]
        for i, output in enumerate(outputs):
            np.testing.assert_allclose(output, np.full([i % 7, 3], row @ np.arange(N) + i), rtol=1e-5)
    assert mixed.experimental_get_tracing_count() == 1


def test_several_channels_and_steps_in_flight():
    """Three players, each three steps in a row in one function; learners start them at their own pace."""
    schedule = topology.make_schedule("one_peer_exponential", N)

    @tf.function(autograph=False)
    def all_of_them(x):
        results = []
        for channel in ("critic", "generator", "classifier"):
            values = [x * float(len(channel))]
            for step in range(3):
                values = gossip.mix(values, schedule, step, backend="native", channel=channel)
            results.append(values[0])
        return results

    M = schedule.matrix(2) @ schedule.matrix(1) @ schedule.matrix(0)
    for turn in range(20):
        if turn % N == RANK:
            tf.py_function(lambda: __import__("time").sleep(0.01), [], [])
        results = all_of_them(tf.constant([float(RANK + turn)] * 1000))
        for channel, result in zip(("critic", "generator", "classifier"), results, strict=True):
            np.testing.assert_allclose(result, [len(channel) * (M[RANK] @ np.arange(N) + turn)] * 1000, rtol=1e-4)


def test_a_cancelled_step_is_over_for_all():
    """TensorFlow gives up a step of learner 0 in the middle of a mix; its peers hear of it, and later steps work."""
    schedule = topology.make_schedule("complete", N)

    @tf.function(autograph=False)
    def step(number, limit):
        x = tf.fill([3], float(RANK))
        mix = gossip.begin([x], schedule, number, rounds=2, backend="native", channel="cancelled")
        with tf.control_dependencies(mix.started):
            tf.debugging.assert_less(tf.cast(number, tf.float32), limit, message="given up")
        return mix.finish()[0]

    begun = time.monotonic()
    if RANK == 0:
        with pytest.raises(tf.errors.InvalidArgumentError, match="given up"):
            step(tf.constant(0, tf.int64), tf.constant(-1.0))
    collectives.gather_at_start(None, "cancelled")
    if RANK != 0:
        with pytest.raises(tf.errors.InternalError, match="learner [0-9]+ on .* has failed in this call"):
            step(tf.constant(0, tf.int64), tf.constant(9.0))
    assert time.monotonic() - begun < 20  # and not gossip_timeout, 60 s
    for number in (1, 2):
        x = step(tf.constant(number, tf.int64), tf.constant(9.0))
        np.testing.assert_allclose(x, [(N - 1) / 2] * 3, rtol=1e-6)


def test_nobody_waits_for_a_learner_many_hops_away():
    """Learner 0 of a ring of eight begins only when learner 4 has three mixes behind it."""
    if N != 8:
        return
    schedule, number = topology.make_schedule("ring", N), 10**6
    if RANK == 0:
        library.pulse(4)  # the lower rank dials
        assert library.take_letter(4, number, 60.0) == b"three"
    x = [tf.constant([float(RANK)])]
    for step in range(4):
        x = gossip.mix(x, schedule, step, backend="native", channel="far")
        if (RANK, step) == (4, 2):
            library.send_letter(0, number, b"three")
    np.testing.assert_allclose(x[0], [schedule.matrix(0, 4)[RANK] @ np.arange(N)], rtol=1e-6)


def test_bfloat16_halves_the_bytes():
    if N == 1:
        return
    schedule = topology.make_schedule("ring", N)
    sent = {}
    for wire in ("float32", "bfloat16"):
        before = library.counters()["bytes_sent"]
        gossip.mix([tf.zeros([500_000])], schedule, 0, backend="native", wire_dtype=wire)
        sent[wire] = library.counters()["bytes_sent"] - before
    peers = len(schedule.peers(0, RANK)[0])
    assert 2_000_000 * peers <= sent["float32"] < 2_010_000 * peers
    assert abs(sent["bfloat16"] / sent["float32"] - 0.5) < 0.005  # headers, credit and signs of life come on top


@pytest.mark.parametrize("degrade", [False, True])
def test_means_and_values_by_letters(degrade):
    if N == 1:
        return
    assembly = Assembly(30, degrade)
    everyone = [[*inputs(rank, LARGE), np.float16([rank])] for rank in range(N)]
    assert assembly.gather((RANK, "x")) == [(rank, "x") for rank in range(N)]
    for mean, *arrays in zip(assembly.mean(everyone[RANK]), *everyone, strict=True):
        want = np.mean(arrays, axis=0, dtype=np.float64).astype(arrays[0].dtype)
        assert mean.dtype == want.dtype and mean.shape == want.shape and mean.tobytes() == want.tobytes()


def test_who_is_waited_for_long_is_named_each_time_by_the_first_that_waits(monkeypatch, capsys):
    if N == 1:
        return
    bootstrap.start()
    assembly = Assembly(30, degrade=True)
    monkeypatch.setattr(assembly_module, "_LONG", 0.02)  # 0.6 s
    for late in (N - 1, N - 1, 0):
        if RANK == late:
            time.sleep(2)
        assert assembly.gather(RANK) == list(range(N))
        said = capsys.readouterr().err.splitlines()
        assert len(said) == (RANK == (1 if late == 0 else 0))
        for line in said:
            assert re.match(rf"warning: learner {late} on \S+ has been waited for 0.6 s: ", line)
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:  # who cannot speak goes on
        patch.setattr(sys, "stderr", full)
        if RANK == N - 1:
            time.sleep(2)
        assert assembly.gather(RANK) == list(range(N))
        with contextlib.suppress(OSError):
            full.close()


def test_means_of_more_than_a_letter_holds(monkeypatch):
    """Arrays cut at odd places, as if a letter held 1,000 bytes; and one that fills a real letter."""
    if N != 3:
        return
    mine = [np.arange(700, dtype=np.float32).reshape(7, 100) + RANK, np.full([3], RANK, np.float64), np.float64(RANK)]
    mine += [np.zeros([0, 2], np.float32), np.full([2, 301], RANK, np.float16)]
    for most in (1000, assembly_module._MOST):
        monkeypatch.setattr(assembly_module, "_MOST", most)
        for degrade in (False, True):
            large = [np.full([9 << 20], RANK, np.float32)] if most > 1000 and not degrade else []  # 36 MiB
            for array, mean in zip([*mine, *large], Assembly(30, degrade).mean([*mine, *large]), strict=True):
                assert mean.dtype == array.dtype and mean.shape == array.shape
                np.testing.assert_allclose(mean, array - RANK + 1, rtol=1e-6)  # the mean of 0, 1 and 2


def test_memory_is_flat_over_10_000_exchanges():
    if N != 3:
        return  # once is enough
    schedule = topology.make_schedule("exponential", N, random=True)
    x = tf.random.normal([30_000])

    @tf.function(autograph=False)
    def thousand(begin):
        def body(step, y):
            (y,) = gossip.mix([y], schedule, step, wire_dtype="bfloat16", backend="native", channel="many")
            y = tf.ensure_shape(y, [30_000])
            return step + 1, y

        return tf.while_loop(lambda step, _: step < begin + 1000, body, (begin, x), parallel_iterations=1)[1]

    sizes = []
    for turn in range(10):
        thousand(tf.constant(1000 * turn, tf.int64))
        sizes.append(psutil.Process().memory_info().rss)
    assert max(sizes[2:]) - sizes[1] < 8 << 20, sizes
