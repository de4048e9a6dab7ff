"""Beam search against every sentence there is, and against a tree by hand."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.data.words import END
from tfdgan.models import beam_search
from tfdgan.models.rewriter import Rewriter

VOCABULARY, LENGTH = 4, 3


def by_table(table):
    """An `advance` whose next words depend on all words before: {beginning: probabilities}; the state is the way."""

    def look_up(words, state):
        ways = [(*(int(w) for w in way if w >= 0), int(word)) for way, word in zip(state, words, strict=True)]
        logits = np.log([table[tuple(w for w in way if w != VOCABULARY)] for way in ways]).astype(np.float32)
        after = np.full(state.shape, -1, np.int32)
        for row, way in zip(after, ways, strict=True):
            row[: len(way)] = way
        return logits, after

    def advance(words, state):
        logits, after = tf.numpy_function(look_up, [words, state[0]], [tf.float32, tf.int32])
        return tf.ensure_shape(logits, [None, VOCABULARY]), [tf.ensure_shape(after, state[0].shape)]

    return advance


def start(number=1):
    return [tf.fill([number, LENGTH + 1], -1)]


def every_sentence():
    """All sentences of at most LENGTH words, END after their end."""
    for words in itertools.product(range(VOCABULARY), repeat=LENGTH):
        ended = words.index(END) if END in words else LENGTH
        if all(word == END for word in words[ended:]):
            yield words


def mean(table, sentence):
    """The mean of log p over the words up to the first END, which counts."""
    count = sentence.index(END) + 1 if END in sentence else len(sentence)
    return np.mean([np.log(table[sentence[:place]][sentence[place]]) for place in range(count)])


def random_table(seed):
    random = np.random.default_rng(seed)
    ways = (way for n in range(LENGTH) for way in itertools.product(range(VOCABULARY), repeat=n))
    return {way: random.dirichlet(np.ones(VOCABULARY)) for way in ways}


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_keeps_all_finds_the_best_of_all(seed):
    table = random_table(seed)
    best = max(every_sentence(), key=lambda sentence: mean(table, sentence))
    found = beam_search.search(by_table(table), start(), VOCABULARY, LENGTH, beam=40)  # of 1 + 3 + 9 + 27 sentences
    assert tuple(found[0].numpy()) == best


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_the_likeliest_word_at_each_place(seed):
    table, way = random_table(seed), ()
    while len(way) < LENGTH and END not in way:
        way += (int(np.argmax(table[way])),)
    found = beam_search.search(by_table(table), start(), VOCABULARY, LENGTH, beam=1)
    assert tuple(found[0].numpy()) == way + (END,) * (LENGTH - len(way))


def test_two_beginnings_see_what_one_does_not():
    """Word 1 is likelier than 2 at first, but nothing likely follows: .6 x .25 x .25 against .4 x .9 x .9."""
    even, sure = np.full(4, 0.25), np.array([0.02, 0.04, 0.04, 0.9])
    table = {way: even for n in (1, 2) for way in itertools.product(range(4), repeat=n)}
    table |= {(): np.array([1e-9, 0.6, 0.4, 1e-9]), (2,): sure, (2, 3): sure}
    found = [beam_search.search(by_table(table), start(2), 4, LENGTH, beam).numpy().tolist() for beam in (1, 2)]
    assert found[0][0][0] == 1 and found[1] == [[2, 3, 3]] * 2


def test_a_sentence_that_has_ended_is_compared_by_its_mean():
    """END at once, of .3, has a mean of log .3; two words and END of .5 each, log .5: by sums the first would win."""
    low = np.array([0.3, 0.5, 0.1, 0.1])
    half = np.array([0.2, 0.5, 0.2, 0.1])
    table = {way: np.full(4, 0.25) for n in (1, 2) for way in itertools.product(range(4), repeat=n)}
    table |= {(): low, (1,): half, (1, 1): np.array([0.5, 0.2, 0.2, 0.1])}
    found = beam_search.search(by_table(table), start(), 4, LENGTH, beam=4)
    assert found.numpy().tolist() == [[1, 1, END]]


def test_a_rewriter_by_beams():
    """Many sentences at once, in a compiled function: none depends on its neighbours, and none is less likely."""
    length, vocabulary = 5, 9
    model = Rewriter(length, vocabulary, 2, 3, 4, 2, dropout=0.0)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.standard_normal(variable.shape))
    words = tf.constant(random.integers(0, vocabulary, (20, length)), tf.int32)
    styles = tf.constant(random.integers(0, 2, 20), tf.int32)
    write = tf.function(model.rewrite, autograph=False)

    wide, attended = write(words, styles, 50)
    single, *_ = write(words, styles, 1)
    np.testing.assert_array_equal(single, model.rewrite(words, styles)[0])
    for row in (0, 7, 19):
        alone = model.rewrite(words[row : row + 1], styles[row : row + 1], 50)
        np.testing.assert_array_equal(wide[row], alone[0][0])
        np.testing.assert_array_equal(attended[row], alone[1][0])

    def mean_of(written):
        features, _ = model._follow(words, styles, written, training=False)
        likely = -tf.nn.sparse_softmax_cross_entropy_with_logits(written, model._logits(features))
        return (tf.reduce_sum(likely * model.mask(written), 1) / tf.reduce_sum(model.mask(written), 1)).numpy()

    gain = mean_of(wide) - mean_of(single)
    assert (gain > -1e-6).mean() > 0.8 and gain.mean() > 0.01
