"""gossip.mix against the closed form, with inputs that differ by rank."""

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

from distributed.closed_form import expected, inputs
from tfdgan import gossip
from tfdgan.errors import UserError
from tfdgan.gossip import topology

N, RANK = hvd.size(), hvd.rank()


def cases():
    """Every topology that has this size, on every backend that takes it."""
    missing = set()
    nothing_of_its_own = (np.ones((N, N)) - np.eye(N)) / (N - 1)
    for name in (*topology.NAMES, nothing_of_its_own):
        for random in (False, True):
            try:
                schedule = topology.make_schedule(name, N, random=random, seed=11)
            except UserError:
                missing.add(name)
                continue
            if random or N != 4 or str(name) in ("torus", "hypercube"):  # 3 learners have the other fixed ones
                yield schedule, "horovod"
            if schedule.is_fixed and schedule.is_symmetric:
                yield schedule, "horovod_pairs"
    assert missing == ({"torus", "hypercube"} if N == 3 else set())


@pytest.mark.parametrize("schedule, backend", list(cases()), ids=repr)
def test_equals_the_closed_form(schedule, backend):
    everyone = [inputs(rank) for rank in range(N)]

    def check(mix, step, rounds, wire):
        outputs = mix([tf.constant(a) for a in inputs(RANK)], step)
        for output, *arrays in zip(outputs, *everyone, strict=True):
            assert output.dtype == tf.float32 and output.shape == arrays[0].shape
            want = expected(schedule, step, rounds, wire, arrays)[RANK]
            np.testing.assert_allclose(output, want, rtol=0, atol=1e-5)
            if wire == "float32":
                M = schedule.matrix(step, rounds)
                plain = sum(M[RANK, j] * arrays[j] for j in range(N))
                np.testing.assert_allclose(output, plain, rtol=0, atol=1e-5)

    for wire in ("float32", "bfloat16", "float16"):
        for rounds in (1, 3):

            def mix(tensors, step, wire=wire, rounds=rounds):
                return gossip.mix(tensors, schedule, step, rounds=rounds, backend=backend, wire_dtype=wire)

            check(mix, 4, rounds, wire)
    traced = tf.function(mix, autograph=False)
    for step in (0, 5, 2):  # steps may skip and go back
        check(lambda tensors, step: traced(tensors, tf.constant(step, tf.int64)), step, rounds, wire)
    assert traced.experimental_get_tracing_count() == 1


def test_row_not_column():
    """A directed matrix tells W x from its transpose: learner i receives from i - 1."""
    W = 0.25 * np.eye(N) + 0.75 * np.roll(np.eye(N), -1, axis=1)
    schedule = topology.make_schedule(W, N)
    (output,) = gossip.mix([tf.constant([float(RANK)])], schedule, 0)
    np.testing.assert_allclose(output, [0.25 * RANK + 0.75 * ((RANK - 1) % N)], atol=1e-6)


def test_eager_and_keeps_types():
    schedule = topology.make_schedule("complete", N)
    dtypes = (tf.float64, tf.bfloat16, tf.float16, tf.float32)
    outputs = gossip.mix([tf.cast(tf.fill([2], RANK), dtype) for dtype in dtypes], schedule, 3)
    for output, dtype in zip(outputs, dtypes, strict=True):
        assert output.dtype == dtype
        np.testing.assert_allclose(tf.cast(output, tf.float64), [(N - 1) / 2] * 2, rtol=1e-2)
    np.testing.assert_allclose(outputs[0], [(N - 1) / 2] * 2, rtol=1e-14)


def test_two_channels_in_flight():
    schedule = topology.make_schedule("ring", N)

    @tf.function
    def both(x, y):
        return gossip.mix([x], schedule, 0, channel="a") + gossip.mix([y], schedule, 0, channel="b")

    x, y = both(tf.constant([float(RANK)]), tf.constant([10.0 * RANK]))
    W = schedule.matrix(0)
    np.testing.assert_allclose([x[0], y[0]], [W[RANK] @ np.arange(N), 10 * (W[RANK] @ np.arange(N))], rtol=1e-6)


def test_repeats_bit_for_bit():
    schedule = topology.make_schedule("complete", N)
    results = {gossip.mix([tf.constant(inputs(RANK)[0])], schedule, 0)[0].numpy().tobytes() for _ in range(20)}
    assert len(results) == 1


def test_bad_input(monkeypatch):
    schedule = topology.make_schedule("ring", N)
    with pytest.raises(TypeError, match="a list of tensors, not a EagerTensor"):
        gossip.mix(tf.constant([1.0]), schedule, 0)
    with pytest.raises(TypeError, match="tensor 1 is int32"):
        gossip.mix([tf.constant([1.0]), tf.constant([1])], schedule, 0)
    with pytest.raises(ValueError, match=f"{N + 1} learners, but {N}"):
        gossip.mix([tf.constant([1.0])], topology.make_schedule("ring", N + 1), 0)
    with pytest.raises(ValueError, match="random"):
        random = topology.make_schedule("ring", N, random=True)
        gossip.mix([tf.constant([1.0])], random, 0, backend="horovod_pairs")
    with pytest.raises(ValueError, match="rounds is 0"):
        gossip.mix([tf.constant([1.0])], schedule, 0, rounds=0)
    for step in ("x", 1.5, [1, 2]):
        with pytest.raises(UserError, match=r"step is .*; give an int or a scalar integer tensor"):
            gossip.mix([tf.constant([1.0])], schedule, step)
    with pytest.raises(ValueError, match="backend 'mpi'"):
        gossip.mix([tf.constant([1.0])], schedule, 0, backend="mpi")
    with pytest.raises(UserError, match="backend horovod: cannot mix late"):
        gossip.begin_late([tf.constant([1.0])], [tf.constant([1.0])], schedule, 0, backend="horovod")
    with pytest.raises(UserError, match="backend horovod: cannot gather"):
        gossip.begin_gather(tf.constant([1], tf.uint8), schedule, 0, backend="horovod")
    with pytest.raises(UserError, match="backend horovod: cannot mix late"):
        gossip.forget([tf.constant([1.0])], "default", backend="horovod")
    monkeypatch.setenv("HOROVOD_DYNAMIC_PROCESS_SETS", "0")
    with pytest.raises(UserError, match=r"call tfdgan.start\(process_sets=True\) before"):
        gossip.mix([tf.constant([1.0])], schedule, 0, backend="horovod_pairs")
