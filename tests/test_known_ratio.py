"""The estimated probability ratio where the true one is known, as tools/experiments/known_ratio.py has it."""

import known_ratio
import numpy as np
import pytest


@pytest.mark.slow
def test_the_estimate_comes_to_the_true_ratio():
    """From near 1 after one step of the classifier to nearly the true one after 1,000."""
    x = np.random.default_rng(1).normal(*known_ratio._NEW, 500)
    true = np.log(known_ratio.true_ratio(x))
    found = known_ratio.estimates(x, 0, after=(1, 1000))
    error = {steps: np.abs(ratio - true).mean() for steps, ratio in found.items()}
    assert np.abs(found[1]).mean() < 0.3 * np.abs(true).mean()
    assert error[1000] < 0.3 * error[1] and np.corrcoef(found[1000], true)[0, 1] > 0.98


@pytest.mark.parametrize("before", [0, 300])
def test_the_paired_ratio_beats_the_single_one(before):
    """After five updates, of a classifier that is new or has learned; of three seeds the worst, and the mean error."""
    x = np.random.default_rng(1).normal(*known_ratio._STEP, 500)
    true = np.log(known_ratio.true_ratio(x, known_ratio._STEP))
    runs = [known_ratio.both_estimates(x, seed, before) for seed in range(3)]
    single, paired = ([known_ratio.likeness(run[kind], true) for run in runs] for kind in ("single", "paired"))
    assert min(paired)[0] > 0.9 > 0 > min(single)[0]
    assert np.mean([error for _, error in paired]) < 0.5 * np.mean([error for _, error in single])


def test_true_ratio_by_hand():
    """At x = .8, the new density's top: the old one's exponent, and 1.5 / 1 for the widths."""
    assert known_ratio.true_ratio(np.array([0.8]))[0] == pytest.approx(np.exp(0.5 * (0.8 / 1.5) ** 2) * 1.5)
