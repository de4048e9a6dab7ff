"""BLEU against nltk and sacrebleu."""

import warnings

import numpy as np
import pytest
import sacrebleu
from nltk.translate import bleu_score

from tfdgan.metrics import bleu

CAPTIONS = [
    "a man riding a wave on top of a surfboard",
    "a man on a surfboard riding a wave",
    "a cat sitting on top of a table",
    "two dogs",
    "the the the the the cat",
    "a kitchen with a stove and a sink",
]


def sentences(number, seed, length=12, words=6):
    random = np.random.default_rng(seed)
    return [tuple(random.integers(words, size=random.integers(1, length))) for _ in range(number)]


def by_nltk(sentence, references, order):
    smooth = bleu_score.SmoothingFunction().method1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sentences shorter than an n-gram
        return bleu_score.sentence_bleu(references, sentence, [1 / order] * order, smooth)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_nltk(seed):
    references = sentences(20, seed)
    ours = bleu.References(references)
    for sentence in sentences(60, 100 + seed, words=8):
        for order, value in ours.bleu(sentence).items():
            assert value == pytest.approx(by_nltk(sentence, references, order), rel=1e-9), (sentence, order)


@pytest.mark.parametrize("seed", range(3))
def test_among_themselves_equal_to_nltk(seed):
    """Each against the others; some of them are twice there."""
    everyone = sentences(25, seed)
    everyone += everyone[:3]
    ours = bleu.References(everyone)
    for index, sentence in enumerate(everyone):
        others = everyone[:index] + everyone[index + 1 :]
        for order, value in ours.bleu(sentence, is_one=True).items():
            assert value == pytest.approx(by_nltk(sentence, others, order), rel=1e-9), (sentence, order)


def test_equal_to_sacrebleu():
    """Its smoothing `floor` puts .1 where nothing matches, as method 1 does."""
    ours = bleu.References([tuple(caption.split()) for caption in CAPTIONS[1:]])
    options = dict(smooth_method="floor", smooth_value=0.1, tokenize="none", use_effective_order=False)
    for caption in [CAPTIONS[0], "a man sitting on a wave with a cat", "the cat on a table with a sink and a stove"]:
        theirs = sacrebleu.sentence_bleu(caption, CAPTIONS[1:], **options).score / 100
        assert ours.bleu(tuple(caption.split()))[4] == pytest.approx(theirs, rel=1e-6)


def test_by_hand():
    """ "a b c" against "a b d": precisions 2/3, 1/2 and no match of 1, so .1; no brevity penalty."""
    found = bleu.References(["abd"]).bleu("abc")
    assert found[2] == pytest.approx((2 / 3 * 1 / 2) ** (1 / 2))
    assert found[3] == pytest.approx((2 / 3 * 1 / 2 * 0.1) ** (1 / 3))
    # "a" against "a b": brevity exp(1 - 2), precisions 1 and .1.
    assert bleu.References(["ab"]).bleu("a")[2] == pytest.approx(np.exp(-1) * np.sqrt(0.1))


def test_nothing_to_compare():
    assert set(bleu.References(["ab"]).bleu("").values()) == {0.0}
    assert set(bleu.References(["ab"]).bleu("cd").values()) == {0.0}
    assert set(bleu.References(["ab"]).bleu("ab", is_one=True).values()) == {0.0}


def test_distinct():
    assert bleu.distinct(["abab", "ab"], 2) == 2 / 4  # ab, ba, ab; ab
    assert bleu.distinct(["a"], 2) == 0
