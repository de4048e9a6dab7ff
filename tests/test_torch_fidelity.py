"""Scores of fixed features beside what torch-fidelity 0.4.0 makes of them; anew where it is installed.

pip install .[fidelity] && pytest tests/test_torch_fidelity.py
"""

import numpy as np
import pytest

from tfdgan.metrics.frechet import Moments, frechet_distance
from tfdgan.metrics.inception_score import inception_score
from tfdgan.metrics.kernel_distance import kernel_distance
from tfdgan.metrics.precision_recall import precision_recall
from tfdgan.metrics.tally import Tally

# What torch-fidelity gives for `features`: Inception Score over 10 splits in the given order, the kernel distance of
# one subset that holds all, precision and recall with 3 neighbours.
THEIRS = {
    **{"FD": 0.5407190293578, "IS": 2.632191590178, "IS +-": 0.1381358323372},
    **{"KD": 0.04933474085711, "precision": 0.9125, "recall": 0.61},
}
CLOSE = dict(rel=1e-6)


def features():
    """(real [400, 16], generated [400, 16], logits of generated [400, 12]), float64 numbers with few digits."""
    random = np.random.default_rng(2020)
    spread = 0.25 + np.arange(16) / 16
    real, fake = (np.round(random.standard_normal((400, 16)), 3) for _ in range(2))
    return real * spread, 0.9 * fake * spread + 0.125, 2 * np.round(random.standard_normal((400, 12)), 3)


def ours():
    real, fake, logits = features()
    moments = (Moments(len(x), x.sum(axis=0), x.T @ x) for x in (fake, real))
    tally = Tally(len(fake), 16, 12, 0)
    tally.add({"pool_3": fake, "logits": logits}, 0)
    score, spread = inception_score(*(tally.arrays[key] for key in ("counts", "negative_entropies", "probabilities")))
    precision, recall = precision_recall(real, fake)
    kernel = kernel_distance(fake, real, subsets=1, size=len(real))[0]
    return {
        **{"FD": frechet_distance(*moments), "IS": score, "IS +-": spread},
        **{"KD": kernel, "precision": precision, "recall": recall},
    }


def theirs():
    """The same by torch-fidelity."""
    torch = pytest.importorskip("torch")
    fid, isc, kid, prc = (pytest.importorskip(f"torch_fidelity.metric_{name}") for name in ("fid", "isc", "kid", "prc"))
    real, fake, logits = map(torch.from_numpy, features())
    statistics = (fid.fid_features_to_statistics(x) for x in (fake, real))
    score = isc.isc_features_to_metric(logits, splits=10, shuffle=False)
    kernel = kid.kid_features_to_metric(fake, real, kid_subsets=1, kid_subset_size=400, verbose=False)
    manifolds = prc.prc_features_to_metric(fake, real, verbose=False)
    return {
        "FD": fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"],
        "IS": score["inception_score_mean"],
        "IS +-": score["inception_score_std"],
        "KD": kernel["kernel_inception_distance_mean"],
        **{name: manifolds[name] for name in ("precision", "recall")},
    }


def test_scores_of_fixed_features_are_torch_fidelitys():
    assert ours() == pytest.approx(THEIRS, **CLOSE)


def test_torch_fidelity_says_what_is_written_here():
    assert theirs() == pytest.approx(THEIRS, **CLOSE)
