"""Generators of sentences: what they write, how likely they find sentences, and the critic that reads them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.models import building, gumbel_softmax, latents, lstm, relational_memory
from tfdgan.tasks.text.sampler import SentenceSampler

MODELS = {
    "lstm": lstm.build,
    "relational_memory": lambda shape, **sizes: relational_memory.build(shape, slots=1, heads=2, **sizes),
}


def pair(model="lstm", ends=False):
    with building.built("float32", 0):
        return MODELS[model]((5, 7), embedding_size=3, width_g=4, width_d=3, representations=2, ends=ends)


def sampler_of(generator, temperature=1.0):
    return SentenceSampler(
        generator, (generator.trainable_variables, generator.non_trainable_variables), "test", temperature
    )


def noise(number, seed=0):
    return latents.gumbel([number, 5, 7], [seed, 1])


def test_gumbel_noise_has_its_mean_and_variance():
    drawn = latents.gumbel([200_000], [3, 4]).numpy()
    assert drawn.mean() == pytest.approx(0.5772, abs=0.01)  # Euler's constant
    assert drawn.var() == pytest.approx(np.pi**2 / 6, rel=0.02)


@pytest.mark.parametrize("model", ["lstm", "relational_memory"])
def test_words_are_those_of_the_likelihood(model):
    """softmax(beta (o + g)) of the logits o that teacher forcing gives after the same words."""
    generator, _ = pair(model=model)
    generator.set_inverse_temperature(2.0)
    g = noise(6)
    soft = generator(g).numpy()
    words = soft.argmax(axis=2)
    np.testing.assert_allclose(soft.sum(axis=2), 1, rtol=1e-5)
    # log p of every word at each place, by asking for each as the next one.
    log_p = np.zeros((5, 7, 6), np.float32)  # [place, word, n]
    for place, word in itertools.product(range(5), range(7)):
        log_p[place, word] = generator.log_probabilities(tf.constant(_with(words, place, word)))[:, place]
    noisy = 2.0 * (log_p.transpose(2, 0, 1) + g.numpy())
    expected = np.exp(noisy - noisy.max(axis=2, keepdims=True))
    np.testing.assert_allclose(soft, expected / expected.sum(axis=2, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-5)


def _with(words, place, word):
    words = words.copy().astype(np.int32)
    words[:, place] = word
    return words


def test_after_the_end_there_is_nothing():
    generator, _ = pair(ends=True)
    soft = generator(noise(200)).numpy()
    words = soft.argmax(axis=2)
    after = np.cumsum(words == 0, axis=1) - (words == 0) > 0
    assert after.sum() > 50 and (~after).sum() > 50
    np.testing.assert_array_equal(soft[after], np.eye(7)[np.zeros(after.sum(), int)])
    assert (generator.log_probabilities(tf.constant(words, tf.int32)).numpy()[after] == 0).all()
    np.testing.assert_array_equal(generator.mask(tf.constant(words)).numpy(), ~after)


def test_an_oracles_word_0_is_a_word():
    generator, _ = pair()
    words = tf.zeros([2, 5], tf.int32)
    assert (generator.log_probabilities(words).numpy() < 0).all() and (generator.mask(words).numpy() == 1).all()


def test_gradients_pass_through_the_samples():
    generator, critic = pair()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(critic(generator(noise(4))))
    for variable, gradient in zip(
        generator.trainable_variables, tape.gradient(loss, generator.trainable_variables), strict=True
    ):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path  # embedding, cell and logits


def test_temperature_sharpens_a_known_distribution():
    """At every place logits (2, 0, 0, ...): p(0) = e^(2/t) / (e^(2/t) + 6)."""
    generator, _ = pair()
    for variable in generator.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    next(v for v in generator.trainable_variables if v.shape == (7,)).assign([2.0, 0, 0, 0, 0, 0, 0])
    for temperature in (0.5, 1.0, 2.0):
        words = sampler_of(generator, temperature).samples(4_000, seed=0)
        expected = np.exp(2 / temperature) / (np.exp(2 / temperature) + 6)
        assert (words == 0).mean() == pytest.approx(expected, abs=0.015)  # five standard deviations of 20,000 words


def test_samples_are_a_function_of_seed_and_number():
    sampler = sampler_of(pair()[0])
    first = sampler.samples(130, seed=1)
    assert first.dtype == np.int32 and first.shape == (130, 5)
    np.testing.assert_array_equal(first[:20], sampler.samples(20, seed=1))
    assert (first[:20] != sampler.samples(20, seed=2)).any()


def test_likelihood_of_other_weights_than_the_models():
    generator, _ = pair()
    before = sampler_of(generator)
    words = before.samples(50, seed=0)
    expected = generator.log_probabilities(tf.constant(words)).numpy().sum()
    for variable in generator.trainable_variables:
        variable.assign(variable + 1.0)
    total, count = before.log_likelihood(words)
    assert total == pytest.approx(expected, rel=1e-5) and count == 250


@pytest.mark.parametrize(
    "schedule, expected", [("constant", [9, 9, 9]), ("linear", [1, 5, 9]), ("exponential", [1, 3, 9])]
)
def test_schedules(schedule, expected):
    found = [float(gumbel_softmax.inverse_temperature(schedule, 9.0, p)) for p in (0.0, 0.5, 1.0)]
    assert found == pytest.approx(expected)


def test_the_critic_scores_sentences_by_the_mean_over_representations():
    _, critic = pair()
    scores = critic(tf.one_hot([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]], 7)).numpy()
    assert scores.shape == (2, 1) and scores[0] == scores[1]
    # 7 words to 2 numbers; widths 2 to 5 of 3 filters with a bias; two layers of 12 x 12; 12 to 100 to 1.
    assert critic.count_params() == 14 + 3 * (2 + 3 + 4 + 5) + 12 + 2 * (144 + 12) + 1300 + 101
