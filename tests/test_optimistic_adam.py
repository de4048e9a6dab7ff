"""Optimistic Adam against NumPy, Keras's Adam and its own promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.optimizers import LinearDecay, OptimisticAdam, choice, linear_decay

STARTS = [np.array([1.0, -2.0], np.float32), np.array([[0.5, 0.0, 3.0]], np.float32)]


def gradients(step):
    """Gradients of the two variables that vary from step to step; some are zero."""
    random = np.random.default_rng(step)
    first, second = random.standard_normal(2), 10 * random.standard_normal((1, 3))
    second[0, 1] = 0
    return [first.astype(np.float32), second.astype(np.float32)]


def golden(steps, rates, beta_1, beta_2, epsilon):
    """The weights after each step by the formula, in float64."""
    weights = [start.astype(np.float64) for start in STARTS]
    m, v, d = ([np.zeros_like(w) for w in weights] for _ in range(3))
    trajectory = []
    for t in range(1, steps + 1):
        for i, g in enumerate(gradients(t)):
            m[i] = beta_1 * m[i] + (1 - beta_1) * g
            v[i] = beta_2 * v[i] + (1 - beta_2) * np.square(g, dtype=np.float64)
            direction = (m[i] / (1 - beta_1**t)) / (np.sqrt(v[i] / (1 - beta_2**t)) + epsilon)
            previous = direction if t == 1 else d[i]
            weights[i] = weights[i] - 2 * rates[t - 1] * direction + rates[t - 1] * previous
            d[i] = direction
        trajectory.append([w.copy() for w in weights])
    return trajectory


def run(optimizer, variables, steps, first=1):
    """The weights after each step."""
    trajectory = []
    for step in range(first, first + steps):
        optimizer.apply(gradients(step), variables)
        trajectory.append([v.numpy() for v in variables])
    return trajectory


def new_variables():
    return [keras.Variable(start) for start in STARTS]


def assert_trajectories_equal(ours, theirs, rtol=1e-5):
    for step, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        for a, b in zip(mine, its, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6, err_msg=f"step {step + 1}")


@pytest.mark.parametrize(("beta_1", "beta_2", "epsilon"), [(0.5, 0.9, 1e-8), (0.9, 0.999, 1e-3), (0.0, 0.9, 1e-8)])
def test_trajectory_is_the_formulas(beta_1, beta_2, epsilon):
    optimizer = OptimisticAdam(0.1, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    assert_trajectories_equal(run(optimizer, new_variables(), 8), golden(8, [0.1] * 8, beta_1, beta_2, epsilon))


def test_first_step_is_adams():
    settings = dict(learning_rate=0.05, beta_1=0.5, beta_2=0.9, epsilon=1e-8)
    ours = run(OptimisticAdam(**settings), new_variables(), 2)
    adams = run(keras.optimizers.Adam(**settings), new_variables(), 2)
    assert_trajectories_equal(ours[:1], adams[:1])
    assert not np.allclose(ours[1][0], adams[1][0])  # and the second is not


def test_current_learning_rate_stands_in_both_terms():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 2], [0.1, 0.01, 0.001])
    rates = [0.1, 0.01, 0.01, 0.001, 0.001]  # at iterations 0, 1, 2, 3, 4
    assert_trajectories_equal(
        run(OptimisticAdam(schedule, 0.5, 0.9), new_variables(), 5), golden(5, rates, 0.5, 0.9, 1e-8)
    )


def test_numeric_example_of_the_docstring():
    w = keras.Variable(1.0)
    optimizer = OptimisticAdam(0.1, epsilon=1e-12)
    seen = []
    for _ in range(3):
        optimizer.apply([tf.constant(0.5)], [w])
        seen.append(float(w.numpy()))
    assert seen == pytest.approx([0.9, 0.8, 0.7], abs=1e-6)


def test_serialisation_round_trip():
    optimizer = OptimisticAdam(0.02, beta_1=0.3, beta_2=0.8, epsilon=1e-5)
    stored = keras.optimizers.serialize(optimizer)
    assert stored["registered_name"] == "tfdgan>OptimisticAdam"
    again = keras.optimizers.deserialize(stored)
    assert type(again) is OptimisticAdam
    config = again.get_config()
    assert config == optimizer.get_config()
    assert [config[name] for name in ("beta_1", "beta_2", "epsilon")] == [0.3, 0.8, 1e-5]
    assert config["learning_rate"] == pytest.approx(0.02)
    assert_trajectories_equal(run(again, new_variables(), 3), golden(3, [0.02] * 3, 0.3, 0.8, 1e-5))


def test_a_schedule_survives_serialisation():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(OptimisticAdam(schedule)))
    assert_trajectories_equal(run(again, new_variables(), 2), golden(2, [0.1, 0.09], 0.5, 0.9, 1e-8))


def test_restored_state_continues_identically():
    optimizer, variables = OptimisticAdam(0.1), new_variables()
    run(optimizer, variables, 3)
    state = [v.numpy() for v in optimizer.variables]
    weights = [v.numpy() for v in variables]

    restored, copies = OptimisticAdam(0.1), new_variables()
    restored.build(copies)
    for mine, value in zip([*restored.variables, *copies], [*state, *weights], strict=True):
        mine.assign(value)
    for ours, theirs in zip(run(restored, copies, 3, first=4), run(optimizer, variables, 3, first=4), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_three_slots_a_variable():
    optimizer = OptimisticAdam()
    optimizer.build(new_variables())
    # The iteration, the learning rate, and m, v, d of two variables.
    assert len(optimizer.variables) == 2 + 3 * 2


def test_does_not_retrace():
    optimizer, variables = OptimisticAdam(0.1), new_variables()
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(first, second):
        optimizer.apply([first, second], variables)

    for number in range(1, 8):
        step(*map(tf.constant, gradients(number)))
    assert step.experimental_get_tracing_count() == 1
    assert_trajectories_equal([[v.numpy() for v in variables]], golden(7, [0.1] * 7, 0.5, 0.9, 1e-8)[-1:])


@pytest.mark.parametrize("name", ["beta_1", "beta_2"])
@pytest.mark.parametrize("value", [1.0, -0.1, 2, float("nan")])
def test_bad_beta_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        OptimisticAdam(**{name: value})


def test_linear_decay_by_hand():
    """1 - k / 4 of 0.1, and nothing after 4 updates; `offset` updates are already behind."""
    schedule = LinearDecay(0.1, 4)
    assert [float(schedule(tf.constant(k))) for k in range(6)] == pytest.approx([0.1, 0.075, 0.05, 0.025, 0, 0])
    schedule.offset.assign(3)
    assert [float(schedule(tf.constant(k))) for k in range(3)] == pytest.approx([0.025, 0, 0])


@pytest.mark.usefixtures("optimized_graphs")
@pytest.mark.parametrize("compiled", [False, True])
def test_linear_decay_is_one_formula_to_the_bit(compiled):
    """initial * max(0, 1 - k / total) in float32, as runs of earlier versions have computed it."""
    for initial, total in ((1e-4, 1000), (2e-5, 99_999), (0.3, 7)):

        def formula(k, initial=initial, total=total):
            return initial * tf.maximum(0.0, 1.0 - tf.cast(k, tf.float32) / total)

        both = [LinearDecay(initial, total).__call__, formula]
        if compiled:
            both = [tf.function(function, autograph=False) for function in both]
        for k in np.unique(np.linspace(0, total + 3, 300).astype(np.int64)):
            ours, theirs = (function(tf.constant(k)).numpy() for function in both)
            assert ours.tobytes() == theirs.tobytes(), (initial, total, k)


def test_linear_decay_survives_serialisation():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(OptimisticAdam(LinearDecay(0.1, 10))))
    assert_trajectories_equal(run(again, new_variables(), 2), golden(2, [0.1, 0.09], 0.5, 0.9, 1e-8))


@pytest.mark.parametrize(
    "kind, made", [("oadam", OptimisticAdam), ("adam", keras.optimizers.Adam), ("sgd", keras.optimizers.SGD)]
)
def test_optimizers_by_name(kind, made):
    settings = dict(beta_1=0.25, beta_2=0.75)
    plain = choice.make(kind, 0.02, **settings)
    config = plain.get_config()
    assert type(plain) is made and config["learning_rate"] == pytest.approx(0.02)
    assert config["global_clipnorm"] is None and linear_decay.schedule_of(plain) is None
    if kind != "sgd":
        assert [config[name] for name in ("beta_1", "beta_2", "epsilon")] == [0.25, 0.75, 1e-8]
    decaying = choice.make(kind, 0.02, **settings, clip_norm=3.0, decay_updates=10)
    assert decaying.global_clipnorm == 3
    schedule = linear_decay.schedule_of(decaying)
    schedule.offset.assign(4)
    assert float(decaying.learning_rate) == pytest.approx(0.02 * 0.6)
