"""Probability ratio clipping and sample reweighting as functions, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan import objectives


def test_ratio_of_two_classifiers_by_hand():
    """C_new = 1/2, C_old = 3/4: r = (.5 * .75) / (.25 * .5) = 3."""
    assert float(objectives.probability_ratio([0.0], [np.log(3.0).astype(np.float32)])[0]) == pytest.approx(3, rel=1e-6)
    same = tf.constant([[-3.0], [0.0], [1e4], [-1e4]])
    np.testing.assert_array_equal(objectives.probability_ratio(same, same), np.ones((4, 1)))


def test_extreme_logits_give_numbers():
    new = tf.constant([1e4, -1e4, 1e4, -1e4])
    old = tf.constant([-1e4, 1e4, 1e4, -1e4])
    with tf.GradientTape() as tape:
        tape.watch([new, old])
        r = objectives.probability_ratio(new, old)
        loss = tf.reduce_sum(objectives.clipped_ratio_surrogate(tf.constant([1e4, -1e4, -1e4, 1e4]), r, 0.4))
    np.testing.assert_allclose(r, [np.exp(-20), np.exp(20), 1, 1], rtol=1e-6)
    for gradient in tape.gradient(loss, [new, old]):
        assert np.isfinite(gradient).all() and (gradient.numpy()[:2] == 0).all()
    weights = objectives.sample_weights(tf.constant([1e4, -1e4, 0.0]))
    np.testing.assert_array_equal(weights, [1, 0, 0])
    assert float(objectives.effective_sample_size(weights)) == 1
    assert float(objectives.log_mass(tf.constant([1e4, -1e4, 0.0]))) == 1e4


SURROGATES = [  # f, r, the paper's, the released code's, at epsilon .4
    (2.0, 1.0, 2.0, 2.0),
    (2.0, 1.2, 2.4, 2.4),
    (2.0, 3.0, 2.8, 2.8),
    (2.0, 0.1, 0.2, 0.2),
    (-2.0, 1.0, -2.0, -2.0),
    (-2.0, 3.0, -6.0, -2.8),
    (-2.0, 1e6, -2e6, -2.8),
    (-2.0, 0.1, -1.2, -0.2),
    (0.0, 3.0, 0.0, 0.0),
]


@pytest.mark.parametrize("f, r, paper, released", SURROGATES)
def test_surrogates_by_hand(f, r, paper, released):
    for mode, value in (("paper", paper), ("released", released)):
        for shape in ((1,), (1, 1)):
            got = objectives.clipped_ratio_surrogate(tf.fill(shape, f), tf.fill(shape, r), 0.4, mode)
            assert got.shape == shape and float(tf.squeeze(got)) == pytest.approx(value, rel=1e-6), mode


@pytest.mark.parametrize(
    "mode, f, r, by_f, by_r",
    [
        ("paper", 2.0, 1.2, 1.2, 2.0),  # inside, r f
        ("paper", 2.0, 3.0, 1.4, 0.0),  # far enough: 1.4 f
        ("paper", -2.0, 3.0, 3.0, -2.0),  # moved the wrong way: r f, to be brought back
        ("paper", -2.0, 0.1, 0.6, 0.0),
        ("released", -2.0, 3.0, 1.4, 0.0),
        ("released", -2.0, 0.1, 0.1, -2.0),
    ],
)
def test_gradients_flow_through_the_score_and_through_the_ratio(mode, f, r, by_f, by_r):
    f, r = tf.constant([f]), tf.constant([r])
    with tf.GradientTape() as tape:
        tape.watch([f, r])
        surrogate = objectives.clipped_ratio_surrogate(f, r, 0.4, mode)
    got = [float(gradient[0]) for gradient in tape.gradient(surrogate, [f, r], unconnected_gradients="zero")]
    assert got == pytest.approx([by_f, by_r], rel=1e-6)


def test_clip_fraction_by_hand():
    assert float(objectives.clip_fraction(tf.constant([0.5, 0.61, 1.0, 1.39, 3.0]), 0.4)) == pytest.approx(0.4)


def test_weights_by_hand():
    """exp(0) : exp(log 3) = 1 : 3; at temperature 2, 1 : sqrt 3."""
    scores = tf.constant([[0.0], [np.log(3.0).astype(np.float32)]])
    np.testing.assert_allclose(objectives.sample_weights(scores), [[0.25], [0.75]], rtol=1e-6)
    warm = objectives.sample_weights(scores[:, 0], temperature=2.0)
    np.testing.assert_allclose(warm, np.array([1, 3**0.5]) / (1 + 3**0.5), rtol=1e-6)
    assert float(objectives.effective_sample_size(tf.constant([0.25, 0.75]))) == pytest.approx(1.6)
    assert float(objectives.log_mass(scores)) == pytest.approx(np.log(4.0))
    assert float(
        tf.reduce_sum(objectives.sample_weights(tf.random.stateless_normal([64, 1], [0, 1])))
    ) == pytest.approx(1)


def test_weights_that_sum_exactly():
    """In any order, and for the gradient of a constant; nothing else moves by more than half of 2^-23."""
    random = np.random.default_rng(0)
    for size in (3, 64, 1000):
        weights = objectives.sample_weights(tf.constant(random.normal(0, 3, size), tf.float32))
        exact = objectives.summing_exactly(weights).numpy()
        for _ in range(5):
            random.shuffle(exact)
            assert np.add.reduce(exact, dtype=np.float32) == 1 == np.cumsum(exact, dtype=np.float32)[-1]
        change = np.abs(objectives.summing_exactly(weights).numpy() - weights.numpy())
        assert np.sort(change)[-2] <= 2.0**-24 and change.max() < 1e-4 and (exact >= 0).all()
    column = tf.constant([[0.25], [0.75]])
    np.testing.assert_array_equal(objectives.summing_exactly(column), column)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 4.0])
def test_the_weighted_sums_gradient_is_that_of_logsumexp(temperature):
    kernel, samples = tf.random.stateless_normal([3, 1], [1, 1]), tf.random.stateless_normal([16, 3], [2, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(kernel)
        scores = tf.tanh(samples @ kernel) * 3
        weighted = tf.reduce_sum(objectives.sample_weights(scores, temperature) * scores)
        smooth = temperature * tf.reduce_logsumexp(scores / temperature)
    np.testing.assert_allclose(tape.gradient(weighted, kernel), tape.gradient(smooth, kernel), rtol=1e-5)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="clip_mode is 'ppo'; choose one of paper, released"):
        objectives.clipped_ratio_surrogate([1.0], [1.0], 0.4, "ppo")
    with pytest.raises(ValueError, match=r"scores and ratio have shapes \(2, 1\) and \(2,\)"):
        objectives.clipped_ratio_surrogate([[1.0], [2.0]], [1.0, 1.0], 0.4)
    with pytest.raises(ValueError, match="logits_new and logits_old have shapes"):
        objectives.probability_ratio([1.0], [1.0, 2.0])
