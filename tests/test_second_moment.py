"""The split batch's second moment of optimistic Adam, against NumPy and its limits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.optimizers import OptimisticAdam

START = np.array([1.0, -2.0, 0.5])
B1, B2, LR = 0.5, 0.9, 0.1


def halves(step):
    """g_a and g_b of a step; in the last coordinate the mean gradient is 0."""
    a, b = np.random.default_rng(step).standard_normal((2, 3)) + 0.5
    a[2] = -b[2]
    return a, b


def golden(steps, learners, every=1):
    """The weights after each step by the formula, in float64."""
    w, m, v, s, d = START.copy(), *np.zeros((4, 3))
    path, estimates = [], 0
    for t in range(1, steps + 1):
        a, b = halves(t)
        g, q = (a + b) / 2, (a - b) ** 2 / 4
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g
        if (t - 1) % every == 0:
            s, estimates = B2 * s + (1 - B2) * q, estimates + 1
        v_hat, s_hat = v / (1 - B2**t), s / (1 - B2**estimates)
        v_hat = np.maximum(v_hat - (1 - 1 / learners) * s_hat, s_hat / learners)
        direction = (m / (1 - B1**t)) / (np.sqrt(v_hat) + 1e-8)
        w = w - LR * (2 * direction - (direction if t == 1 else d))
        d = direction
        path.append(w)
    return np.stack(path)


def play(optimizer, steps, every=1, first=1, variable=None):
    """(the weights after each step, the variable)."""
    variable = keras.Variable(START.astype(np.float32)) if variable is None else variable
    path = []
    for t in range(first, first + steps):
        a, b = (x.astype(np.float32) for x in halves(t))
        noise = {"noise": [tf.constant((a - b) ** 2 / 4)]} if (t - 1) % every == 0 else {}
        optimizer.apply([tf.constant((a + b) / 2)], [variable], **noise)
        path.append(variable.numpy())
    return np.stack(path), variable


def split(learners, **changes):
    return OptimisticAdam(LR, B1, B2, second_moment="split_batch", learners=learners, **changes)


def slot(optimizer, name):
    (found,) = (v for v in optimizer.variables if v.name.endswith(name))
    return found.numpy()


@pytest.mark.parametrize("learners", [1, 2.5, 8])
@pytest.mark.parametrize("every", [1, 4])
def test_trajectory_is_the_formulas(learners, every):
    got, _ = play(split(learners), 12, every)
    np.testing.assert_allclose(got[:, :2], golden(12, learners, every)[:, :2], rtol=0, atol=2e-5)
    # Where every mean gradient is 0, nothing moves.
    np.testing.assert_array_equal(got[:, 2], np.float32(START[2]))


def test_without_noise_it_is_optimistic_adam_to_the_bit():
    ours, theirs = split(8), OptimisticAdam(LR, B1, B2)
    x, y = keras.Variable(START.astype(np.float32)), keras.Variable(START.astype(np.float32))
    for t in range(1, 7):
        g = tf.constant(halves(t)[0].astype(np.float32))
        ours.apply([g], [x], **({"noise": [tf.zeros([3])]} if t % 2 else {}))
        theirs.apply([g], [y])
        np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_gradients_that_are_all_noise_leave_a_part_of_it():
    """g = +-c in turn and q = c^2: v and s are both c^2, v^ = c^2 / n, so a step is sqrt(n) times as long."""
    for n in (1, 4, 16):
        optimizer, w = (
            OptimisticAdam(1.0, 0.0, B2, 1e-12, second_moment="split_batch", learners=n),
            keras.Variable([0.0]),
        )
        optimizer.apply([tf.constant([0.3])], [w], noise=[tf.constant([0.09])])
        assert float(w.numpy()[0]) == pytest.approx(-(n**0.5), rel=1e-5)


def test_of_one_learner_it_is_the_larger_of_the_two():
    for g, q, step in ((0.3, 0.01, 1.0), (0.3, 0.36, 0.5)):
        optimizer, w = OptimisticAdam(1.0, 0.0, B2, 1e-12, second_moment="split_batch"), keras.Variable([0.0])
        optimizer.apply([tf.constant([g])], [w], noise=[tf.constant([q])])
        assert float(w.numpy()[0]) == pytest.approx(-step, rel=1e-5)


def test_learners_can_change_in_a_compiled_step():
    optimizer, w = split(4), keras.Variable(START.astype(np.float32))
    optimizer.build([w])

    @tf.function(autograph=False)
    def step(g, q, fresh):
        optimizer.observe_noise([q], [g], fresh)
        optimizer.apply([g], [w])

    for t in range(1, 4):
        a, b = (x.astype(np.float32) for x in halves(t))
        step(tf.constant((a + b) / 2), tf.constant((a - b) ** 2 / 4), tf.constant(True))
    np.testing.assert_allclose(w.numpy()[:2], golden(3, 4)[-1, :2], rtol=0, atol=1e-5)
    assert optimizer.learners == 4
    before, state = w.numpy(), [v.numpy() for v in optimizer.variables]
    g, q = (tf.constant(np.float32(x)) for x in ([0.1, 0.1, 0.1], [1.0, 1.0, 1.0]))
    moves = []
    for learners in (4, 2):
        for variable, value in zip([w, *optimizer.variables], [before, *state], strict=True):
            variable.assign(value)
        optimizer.learners = learners
        step(g, q, tf.constant(True))
        moves.append(np.abs(w.numpy() - before))
    assert (moves[0] > moves[1]).all()
    assert step.experimental_get_tracing_count() == 1


def test_what_is_not_fresh_changes_nothing():
    optimizer, w = split(4), keras.Variable(START.astype(np.float32))
    play(optimizer, 2, variable=w)
    before = slot(optimizer, "noise"), slot(optimizer, "noise_updates")
    nan = tf.fill([3], float("nan"))
    optimizer.observe_noise([nan], [tf.zeros([3])], tf.constant(False))
    np.testing.assert_array_equal(slot(optimizer, "noise"), before[0])
    assert slot(optimizer, "noise_updates") == before[1] == 2


@pytest.mark.parametrize(
    "clip, factors",
    [
        (dict(global_clipnorm=1.0), ([1 / 13, 1 / 13], [1 / 13])),  # (3, 4), (12): norm 13
        (dict(clipnorm=2.5), ([0.5, 0.5], [2.5 / 12])),
        (dict(clipvalue=3.5), ([1.0, 3.5 / 4], [3.5 / 12])),
        (dict(), ([1.0, 1.0], [1.0])),
    ],
)
def test_noise_is_scaled_as_its_gradient_is_clipped(clip, factors):
    optimizer = OptimisticAdam(0.1, beta_2=0.0, second_moment="split_batch", **clip)
    variables = [keras.Variable([0.0, 0.0], name="x"), keras.Variable([0.0], name="y")]
    optimizer.build(variables)
    noise = [tf.constant([1.0, 2.0]), tf.constant([3.0])]
    optimizer.apply([tf.constant([3.0, 4.0]), tf.constant([12.0])], variables, noise=noise)
    slots = [v.numpy() for v in optimizer.variables if v.name.endswith("_noise")]
    for found, q, factor in zip(slots, noise, factors, strict=True):
        np.testing.assert_allclose(found, q.numpy() * np.square(factor), rtol=1e-5)


def test_noise_goes_with_its_variable_whatever_the_order():
    optimizer = OptimisticAdam(0.1, beta_2=0.0, second_moment="split_batch")
    x, y = keras.Variable([0.0], name="x"), keras.Variable([0.0], name="y")
    optimizer.build([x, y])
    optimizer.apply([tf.constant([1.0]), tf.constant([2.0])], [y, x], noise=[tf.constant([5.0]), tf.constant([7.0])])
    slots = [float(v.numpy()[0]) for v in optimizer.variables if v.name.endswith("_noise")]
    assert slots == [7.0, 5.0]


def test_state_and_configuration_survive():
    optimizer, w = split(4), keras.Variable(START.astype(np.float32))
    play(optimizer, 3, variable=w)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert (again.second_moment, again.learners) == ("split_batch", 4)
    copy = keras.Variable(w.numpy())
    again.build([copy])
    # The iteration, the learning rate, m, v, d, s, and how often s was estimated.
    assert len(again.variables) == len(optimizer.variables) == 2 + 4 + 1
    for mine, theirs in zip(again.variables, optimizer.variables, strict=True):
        mine.assign(theirs)
    np.testing.assert_array_equal(play(again, 3, first=4, variable=copy)[0], play(optimizer, 3, first=4, variable=w)[0])


def test_a_configuration_from_before_the_second_moment_loads():
    config = OptimisticAdam(0.1).get_config()
    del config["second_moment"], config["learners"]
    again = OptimisticAdam.from_config(config)
    assert (again.second_moment, again.learners) == ("own", 1)


@pytest.mark.parametrize(
    "message, make",
    [
        ("second_moment is 'half'; give one of own, split_batch", lambda: OptimisticAdam(second_moment="half")),
        ("learners is 0; give at least 1", lambda: split(0)),
        ("learners is nan; give at least 1", lambda: split(float("nan"))),
        ("gradient_accumulation_steps=2 .*leave the steps out", lambda: split(2, gradient_accumulation_steps=2)),
        ("noise is given, but second_moment is 'own'", lambda: play(OptimisticAdam(), 1)),
    ],
)
def test_what_cannot_be_is_refused(message, make):
    with pytest.raises(ValueError, match=message):
        make()


def test_as_many_noises_as_gradients():
    optimizer, w = split(2), keras.Variable([0.0])
    with pytest.raises(ValueError, match="2 noises, 1 gradients, 1 variables"):
        optimizer.apply([tf.constant([1.0])], [w], noise=[tf.constant([1.0])] * 2)
