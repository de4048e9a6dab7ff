"""Losses at hand-picked numbers."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan import objectives
from tfdgan.errors import UserError


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_wasserstein_losses(shape):
    real, fake = (tf.reshape(tf.constant(scores), shape) for scores in ([3.0, 5.0], [1.0, 2.0]))
    # mean fake - mean real = 1.5 - 4
    assert float(objectives.Wasserstein().critic_loss(real, fake)) == -2.5
    assert float(objectives.Wasserstein().generator_loss(fake)) == -1.5


def test_critic_loss_takes_batches_of_two_sizes():
    assert float(objectives.Wasserstein().critic_loss(tf.constant([4.0]), tf.constant([[1.0], [2.0], [6.0]]))) == -1.0


def test_hinge_losses():
    real, fake = tf.constant([[3.0], [0.0]]), tf.constant([[-2.0], [1.0]])
    # max(0, 1 - 3), max(0, 1 - 0): mean .5; max(0, 1 - 2), max(0, 1 + 1): mean 1.
    assert float(objectives.Hinge().critic_loss(real, fake)) == 1.5
    assert float(objectives.Hinge().generator_loss(fake)) == 0.5


def test_relativistic_losses():
    """By how much the real one of a row is ahead: log 3 and 0, so log(1 + 1/3), log 2; backwards log(1 + 3), log 2."""
    real, fake = tf.constant([[np.log(3.0) + 5], [1.0]], tf.float32), tf.constant([[5.0], [1.0]])
    critic = float(objectives.Relativistic().critic_loss(real, fake))
    assert critic == pytest.approx((np.log(4 / 3) + np.log(2)) / 2, rel=1e-5)
    generator = float(objectives.Relativistic().generator_loss(fake, real))
    assert generator == pytest.approx((np.log(4) + np.log(2)) / 2, rel=1e-5)


def test_non_saturating_losses():
    zero = tf.zeros([2, 1])
    assert float(objectives.NonSaturating().critic_loss(zero, zero)) == pytest.approx(2 * np.log(2))
    # -log sigmoid(log 3) = -log 3/4; -log(1 - sigmoid(-log 3)) likewise.
    three = tf.constant([np.log(3.0)], tf.float32)
    assert float(objectives.NonSaturating().critic_loss(three, -three)) == pytest.approx(2 * np.log(4 / 3), rel=1e-6)
    assert float(objectives.NonSaturating().generator_loss(three)) == pytest.approx(np.log(4 / 3), rel=1e-6)
    extreme = tf.constant([1e4, -1e4])
    assert float(objectives.NonSaturating().critic_loss(extreme, extreme)) == pytest.approx(1e4)


def test_payoffs():
    fake, real = tf.constant([1.0, 2.0]), tf.constant([np.log(3.0) + 1, 2.0], tf.float32)
    np.testing.assert_array_equal(objectives.Wasserstein().payoff(fake), fake)
    # By how much the real ones are ahead: log 3 and 0.
    np.testing.assert_allclose(objectives.Relativistic().payoff(fake, real), -np.log([4.0, 2.0]), rtol=1e-6)


@pytest.mark.parametrize("kind", [objectives.Wasserstein, objectives.Relativistic])
def test_weighted_terms_of_equal_weights_are_the_critics_loss(kind):
    real, fake = (tf.constant([[3.0], [0.5], [-1.0], [2.0]]), tf.constant([[1.0], [2.0], [-3.0], [0.0]]))
    of_real, of_fake = kind().weighted_critic_terms(real, fake, tf.fill([4, 1], 0.25))
    assert float(of_real + of_fake) == pytest.approx(float(kind().critic_loss(real, fake)))


def test_weighted_terms_by_hand():
    real, fake, weights = tf.constant([3.0, 5.0]), tf.constant([1.0, 2.0]), tf.constant([0.25, 0.75])
    assert [float(x) for x in objectives.Wasserstein().weighted_critic_terms(real, fake, weights)] == [-4, 1.75]
    zero = tf.zeros([2])
    of_real, of_fake = objectives.Relativistic().weighted_critic_terms(zero, zero, weights)
    assert float(of_real) == 0 and float(of_fake) == pytest.approx(np.log(2))


def test_what_an_objective_does_not_have_is_named():
    one = tf.ones([2])
    with pytest.raises(UserError, match="ratio_clipping: the objective Hinge has no payoff"):
        objectives.Hinge().payoff(one)
    with pytest.raises(UserError, match="sample_reweighting: the objective NonSaturating has no weighted form"):
        objectives.NonSaturating().weighted_critic_terms(one, one, one)


def test_objectives_by_name():
    assert {name: kind().compares for name, kind in objectives.OBJECTIVES.items()} == {
        "wasserstein": False,
        "hinge": False,
        "non_saturating": False,
        "relativistic": True,
    }


def test_one_sided_penalty_spares_small_slopes():
    samples, alpha = tf.ones([3, 2]), tf.zeros([3])
    steep, flat = tf.constant([[3.0], [4.0]]), tf.constant([[0.3], [0.4]])  # |c| = 5 and .5
    penalties = [
        float(objectives.penalties.one_sided(lambda x, c=c: x @ c, samples, samples, alpha)) for c in (steep, flat)
    ]
    assert penalties == [pytest.approx(16.0), 0.0]
    assert float(objectives.penalties.two_sided(lambda x: x @ flat, samples, samples, alpha)) == pytest.approx(0.25)


def test_r1_is_taken_at_real_samples():
    # f = |x|^2 / 2, |grad f|^2 = |x|^2: 25 and 1 at the real samples.
    real, fake = tf.constant([[3.0, 4.0], [1.0, 0.0]]), tf.constant([[9.0, 9.0], [9.0, 9.0]])
    penalty = objectives.penalties.r1(lambda x: tf.reduce_sum(x**2, axis=1) / 2, real, fake, tf.ones([2]))
    assert float(penalty) == pytest.approx((25 + 1) / 2 / 2)


def test_r1_r2_is_taken_at_both():
    real, fake = tf.constant([[3.0, 4.0], [1.0, 0.0]]), tf.constant([[1.0, 1.0], [0.0, 2.0]])
    penalty = objectives.penalties.r1_r2(lambda x: tf.reduce_sum(x**2, axis=1) / 2, real, fake, tf.ones([2]))
    assert float(penalty) == pytest.approx((25 + 1) / 2 / 2 + (2 + 4) / 2 / 2)


def test_consistency_by_hand():
    first = (tf.constant([[1.0], [5.0]]), tf.constant([[1.0, 2.0], [0.0, 0.0]]))
    second = (tf.constant([[3.0], [5.0]]), tf.constant([[1.0, 6.0], [0.0, 2.0]]))
    # Scores: 4 and 0; features: .1 * 16 / 2 and .1 * 4 / 2.
    assert float(objectives.penalties.consistency(first, second)) == pytest.approx((4.8 + 0.2) / 2)
    assert float(objectives.penalties.consistency(first, second, margin=0.5)) == pytest.approx((4.3 + 0) / 2)


@pytest.mark.parametrize("as_column", [False, True])
def test_penalty_of_a_linear_critic(as_column):
    c = tf.constant([[3.0], [4.0]])  # |c| = 5, (5 - 1)^2 = 16 at whatever samples

    def critic(x):
        return x @ c if as_column else (x @ c)[:, 0]

    random = np.random.default_rng(0)
    real, fake = (tf.constant(random.standard_normal((6, 2)), tf.float32) for _ in range(2))
    penalty = objectives.penalties.two_sided(critic, real, fake, tf.linspace(0.0, 1.0, 6))
    assert penalty.shape == ()
    assert float(penalty) == pytest.approx(16.0, rel=1e-6)


def test_penalty_of_images_sums_over_all_axes():
    # f(x) = sum of x over 2 x 2 x 3 = 12 values: |grad| = sqrt 12.
    images = tf.zeros([5, 2, 2, 3])
    penalty = objectives.penalties.two_sided(
        lambda x: tf.reduce_sum(x, axis=[1, 2, 3]), images, images + 1, tf.zeros([5])
    )
    assert float(penalty) == pytest.approx((12**0.5 - 1) ** 2, rel=1e-6)


def test_alpha_has_one_value_a_sample_at_every_pixel():
    # f(x) = |x|^2 / 2 has gradient x; real = 0 and fake = 1 at 12 pixels, so x = alpha and |x| = alpha sqrt 12.
    seen = []

    def critic(x):
        seen.append(x)
        return tf.reduce_sum(x**2, axis=[1, 2, 3]) / 2

    alpha = tf.constant([0.0, 0.25, 1.0])
    penalty = objectives.penalties.two_sided(critic, tf.zeros([3, 2, 2, 3]), tf.ones([3, 2, 2, 3]), alpha)
    np.testing.assert_allclose(seen[0], np.broadcast_to(alpha.numpy()[:, None, None, None], (3, 2, 2, 3)))
    expected = np.mean([(a * 12**0.5 - 1) ** 2 for a in (0.0, 0.25, 1.0)])
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


def test_alpha_zero_is_real_and_one_is_fake():
    def penalty(alpha):
        # f = |x|^2 / 2, |grad f| = |x|: 2 at the real sample, 5 at the generated one.
        real, fake = tf.constant([[2.0, 0.0]]), tf.constant([[3.0, 4.0]])
        return float(
            objectives.penalties.two_sided(lambda x: tf.reduce_sum(x**2, axis=1) / 2, real, fake, tf.constant([alpha]))
        )

    assert penalty(0.0) == pytest.approx(1.0, rel=1e-6)
    assert penalty(1.0) == pytest.approx(16.0, rel=1e-6)


def test_flat_critic_has_a_finite_penalty_and_gradient():
    c = tf.Variable([[0.0], [0.0]])
    samples = tf.ones([4, 2])
    with tf.GradientTape() as tape:
        penalty = objectives.penalties.two_sided(lambda x: x @ c, samples, 2 * samples, tf.zeros([4]))
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)  # (0 - 1)^2
    assert np.isfinite(tape.gradient(penalty, c)).all()


def test_penalty_can_be_differentiated_by_the_critics_weights():
    c = tf.Variable([[3.0], [4.0]])
    samples = tf.ones([4, 2])
    with tf.GradientTape() as tape:
        penalty = objectives.penalties.two_sided(lambda x: x @ c, samples, 2 * samples, tf.zeros([4]))
    # d (|c| - 1)^2 / dc = 2 (|c| - 1) c / |c| = 8 (.6, .8)
    np.testing.assert_allclose(tape.gradient(penalty, c)[:, 0], [4.8, 6.4], rtol=1e-5)
