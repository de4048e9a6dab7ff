"""The LSTM oracle against sums over all sentences."""

import itertools

import numpy as np
import pytest

from tfdgan.data import oracle
from tfdgan.errors import UserError


def test_its_own_samples_have_the_likelihood_that_it_expects():
    """E[-mean log p] over all 6^3 sentences; the mean of 20,000 is within five standard errors of it."""
    made = oracle.make(6, seed=1)
    everything = np.array(list(itertools.product(range(6), repeat=3)))
    nll = made.negative_log_likelihood(everything)
    p = np.exp(-3 * nll)
    assert p.sum() == pytest.approx(1, abs=1e-5)
    expected, spread = (p * nll).sum(), np.sqrt((p * nll**2).sum() - (p * nll).sum() ** 2)
    found = made.negative_log_likelihood(made.write(20_000, 3, np.random.default_rng(0)))
    assert found.mean() == pytest.approx(expected, abs=5 * spread / np.sqrt(20_000))
    assert found.std() == pytest.approx(spread, rel=0.1)
    # And each sentence comes as often as it is likely.
    words = made.write(20_000, 3, np.random.default_rng(1))
    often = np.bincount(words @ [36, 6, 1], minlength=216) / 20_000
    assert (np.abs(often - p) < 5 * np.sqrt(p * (1 - p) / 20_000) + 1e-4).all()


def test_step_by_hand():
    """Of one gate's formulas: c = sigmoid(i) tanh(g), h = sigmoid(o) tanh(c) from an empty state."""
    made = oracle.make(3, seed=0)
    gates = np.concatenate([made.embedding[0], np.zeros(32)]) @ made.kernel + made.bias
    i, _, o, g = np.split(gates, 4)
    h = np.tanh(np.tanh(g) / (1 + np.exp(-i))) / (1 + np.exp(-o))
    logits = h @ made.logits + made.logits_bias
    expected = np.log(np.exp(logits).sum()) - logits
    np.testing.assert_allclose(made.negative_log_likelihood([[0], [1], [2]]), expected, rtol=1e-4, atol=1e-5)


def test_it_is_kept_with_the_run(tmp_path):
    path = str(tmp_path / "oracle.npz")
    made, train, test = oracle.kept(path, 50, 6, 30, seed=3)
    assert train.shape == test.shape == (30, 6) and train.dtype == np.int32 and (train != test).any()
    again, *both = oracle.kept(path, 50, 6, 30, seed=3)
    np.testing.assert_array_equal(made.kernel, again.kernel)
    np.testing.assert_array_equal([train, test], both)
    with pytest.raises(UserError, match=r"other settings \(corpus_size: 30 -> 31; seed: 3 -> 4\)"):
        oracle.kept(path, 50, 6, 31, seed=4)
    assert made.embedding.std() == pytest.approx(1, abs=0.1)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "oracle.npz"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match="oracle.npz: not readable"):
        oracle.kept(str(path), 50, 6, 30, seed=3)


def test_without_a_path_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, train, test = oracle.kept("", 10, 4, 6, seed=0)
    assert train.shape == test.shape == (6, 4) and list(tmp_path.iterdir()) == []
