"""Scores of features and logits: by hand, against other implementations, in parts, and from the cache."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import tensorflow as tf
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from tfdgan.data import ArraySource
from tfdgan.metrics.density_coverage import density_coverage
from tfdgan.metrics.extractor import SavedModelExtractor
from tfdgan.metrics.frechet import Moments, frechet_distance
from tfdgan.metrics.inception_score import inception_score
from tfdgan.metrics.kernel_distance import kernel_distance, squared_mmd
from tfdgan.metrics.precision_recall import precision_recall
from tfdgan.metrics.tally import SPLITS, Tally
from tfdgan.tasks.image.scores import FeatureScores


def outputs(number, features=4, classes=3, shift=0.0, seed=0):
    random = np.random.default_rng(seed)
    pool = (shift + random.standard_normal((number, features)) @ np.diag(1.0 + np.arange(features))).astype(np.float32)
    return {"pool_3": pool, "logits": 2 * random.standard_normal((number, classes)).astype(np.float32)}


def tally(given, keep=0, first=0, number=None):
    number = number or len(given["logits"])
    made = Tally(number, given["pool_3"].shape[1], given["logits"].shape[1], keep)
    for start in range(0, len(given["logits"]), 7):  # in batches
        made.add({name: array[start : start + 7] for name, array in given.items()}, first + start)
    return made.arrays


def moments(arrays):
    return Moments(arrays["count"], arrays["sum"], arrays["products"])


def score(arrays):
    return inception_score(arrays["counts"], arrays["negative_entropies"], arrays["probabilities"])


def test_parts_add_up():
    given = outputs(50)
    parts = [{name: array[start:stop] for name, array in given.items()} for start, stop in ((0, 20), (20, 50))]
    first, second = (tally(part, 20, start, 50) for part, start in zip(parts, (0, 20), strict=True))
    whole = tally(given, 20)
    for name in whole:
        np.testing.assert_allclose(first[name] + second[name], whole[name], rtol=1e-12, atol=1e-12)
    rows = {tuple(row) for row in given["pool_3"]}
    assert whole["kept"].shape == (20, 4) and {tuple(row) for row in whole["kept"]} < rows


def test_moments_are_those_of_all_samples():
    given = outputs(50)
    made = moments(tally(given))
    np.testing.assert_allclose(made.mean, given["pool_3"].astype(np.float64).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(made.covariance, np.cov(given["pool_3"].astype(np.float64), rowvar=False), rtol=1e-10)


def test_confidence_and_predicted_classes():
    logits = np.log([[3.0, 1.0], [1.0, 3.0], [9.0, 1.0]])
    arrays = tally({"pool_3": np.zeros((3, 1)), "logits": logits})
    assert arrays["confidence"] == pytest.approx(0.75 + 0.75 + 0.9)
    assert arrays["predicted"].tolist() == [2, 1]


def of_one_split(logits):
    """The score of logits as if all were of one split."""
    arrays = tally({"pool_3": np.zeros((len(logits), 1)), "logits": np.asarray(logits, float)})
    return score({name: array.sum(axis=0, keepdims=True) for name, array in arrays.items() if array.ndim})[0]


def test_inception_score_by_hand():
    sure = 1e3 * np.eye(4)
    assert of_one_split(sure) == pytest.approx(4)  # four classes, each certain
    assert of_one_split(np.concatenate([sure[:1], sure[:1]])) == pytest.approx(1)  # one class only
    assert of_one_split(np.zeros((5, 7))) == pytest.approx(1)  # nothing is recognised
    # p(y|x) = (3/4, 1/4) and (1/4, 3/4), p(y) = (1/2, 1/2): KL = 3/4 log 3/2 + 1/4 log 1/2 of each.
    logits = np.log([[3.0, 1.0], [1.0, 3.0]])
    assert of_one_split(logits) == pytest.approx(np.exp(0.75 * np.log(1.5) + 0.25 * np.log(0.5)))


def test_inception_score_over_splits_against_scipy():
    given = outputs(100, classes=5)
    p = np.exp(given["logits"].astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    each = [np.exp(np.mean(scipy.stats.entropy(part.T, part.mean(axis=0)[:, None]))) for part in np.split(p, SPLITS)]
    assert score(tally(given)) == pytest.approx((np.mean(each), np.std(each)))
    few = score(tally(outputs(3)))  # seven splits have none
    assert np.isfinite(few).all()


def test_frechet_distance_against_scipys_root():
    a, b = outputs(200, features=6), outputs(300, features=6, shift=0.5, seed=1)
    (mean_a, cov_a), (mean_b, cov_b) = (
        (x.mean(axis=0), np.cov(x, rowvar=False)) for x in (g["pool_3"].astype(np.float64) for g in (a, b))
    )
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    want = np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(moments(tally(a)), moments(tally(b))) == pytest.approx(want, rel=1e-9)


def test_kernel_distance_by_hand():
    # d = 1, k(x, y) = (x y + 1)^3; a = 0, 1: k = 1 off the diagonal. b = 2, 3: k(2, 3) = 343. Between: 1, 1, 27, 64.
    value = squared_mmd(np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]]))
    assert value == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kernel_distance_against_sklearns_kernel():
    a, b = outputs(40)["pool_3"].astype(np.float64), outputs(40, shift=1.0, seed=1)["pool_3"].astype(np.float64)
    within = [polynomial_kernel(x, x, degree=3, gamma=1 / 4, coef0=1) for x in (a, b)]
    between = polynomial_kernel(a, b, degree=3, gamma=1 / 4, coef0=1)
    want = sum((K.sum() - np.trace(K)) / (40 * 39) for K in within) - 2 * between.mean()
    assert squared_mmd(a, b) == pytest.approx(want, rel=1e-10)
    # A subset of everything is everything, in whatever order.
    assert kernel_distance(a, b, subsets=3) == pytest.approx((want, 0), rel=1e-9, abs=1e-9)


def test_kernel_distance_is_unbiased_and_sees_a_shift():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, 2000, 8))
    mean, spread = kernel_distance(a, b, subsets=50, size=200)
    assert abs(mean) < 5 * spread / 50**0.5
    shifted, _ = kernel_distance(a, b + 0.5, subsets=50, size=200)
    assert shifted > 50 * spread / 50**0.5
    assert kernel_distance(a, b, subsets=5, size=200) == kernel_distance(a, b, subsets=5, size=200)
    with pytest.raises(ValueError, match="1 features are too few"):
        kernel_distance(a[:1], b)


def test_precision_and_recall_by_hand():
    # Radii to the nearest other: 1 for 0 and 1, 9 for 10. Of the fakes .5 and 15 are within; 30 and -5 are not.
    real, fake = np.array([[0.0], [1.0], [10.0]]), np.array([[0.5], [30.0], [-5.0], [15.0]])
    precision, recall = precision_recall(real, fake, neighbours=1)
    assert precision == 2 / 4
    # Radii of the fakes: .5: 5.5; 30: 15; -5: 5.5; 15: 14.5. All reals are within 5.5 of .5 or 14.5 of 15.
    assert recall == 1


def test_precision_and_recall_in_parts_against_sklearns_neighbours():
    random = np.random.default_rng(1)
    real, fake = random.standard_normal((1500, 4)), 0.5 * random.standard_normal((1100, 4))

    def share(points, manifold):
        radii = NearestNeighbors(n_neighbors=4).fit(manifold).kneighbors(manifold)[0][:, 3]  # itself is the first
        distances = np.linalg.norm(points[:, None] - manifold, axis=-1)
        return (distances <= radii).any(axis=1).mean()

    precision, recall = precision_recall(real, fake)
    assert (precision, recall) == (share(fake, real), share(real, fake))
    assert precision > 0.95 > 0.8 > recall  # a narrow generator: precise, and blind to the rest
    with pytest.raises(ValueError, match="3 generated features are too few for 3 neighbours"):
        precision_recall(real, fake[:3])


def test_density_and_coverage_by_hand():
    # Radii to the nearest other: 1 for 0 and 1, 9 for 10. In how many balls: .5: 2; 1.5: 2; 30: 0; 15: 1.
    real, fake = np.array([[0.0], [1.0], [10.0]]), np.array([[0.5], [1.5], [30.0], [15.0]])
    assert density_coverage(real, fake, neighbours=1) == (5 / 4, 1)
    assert density_coverage(real, fake[2:], neighbours=1) == (1 / 2, 1 / 3)
    with pytest.raises(ValueError, match="density and coverage: 3 real features are too few for 5 neighbours"):
        density_coverage(real, fake)


def test_density_and_coverage_of_equal_distributions():
    """Of as many fakes as reals a ball of five reals stays empty if all five nearest are real: one time in 32."""
    random = np.random.default_rng(2)
    density, coverage = density_coverage(random.standard_normal((1500, 3)), random.standard_normal((1500, 3)))
    assert density == pytest.approx(1, abs=0.05) and coverage == pytest.approx(1 - 0.5**5, abs=0.02)


class Flat(tf.Module):
    """pool_3: the pixels; logits: the first two."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 1], tf.float32)])
    def __call__(self, images):
        flat = tf.reshape(images, [-1, 4])
        return {"pool_3": flat, "logits": flat[:, :2]}


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    path = tmp_path_factory.mktemp("extractor") / "flat"
    tf.saved_model.save(Flat(), str(path))
    return SavedModelExtractor(str(path))


NAMES = ("FD", "IS", "KD", "precision", "recall", "density", "coverage")
IMAGES = np.random.default_rng(3).uniform(-1, 1, (600, 2, 2, 1)).astype(np.float32)


def no_bar(batches, length, what):
    return batches


def test_real_samples_are_measured_once_and_kept_by_what_they_are(flat, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path))
    first = FeatureScores(flat, ArraySource(IMAGES, np.zeros(600)))
    assert not first.knows_real
    parts = [first.measure_real((i, 3), no_bar) for i in range(3)]
    assert [part["count"] for part in parts] == [200, 200, 200]
    sums = {name: sum(part[name] for part in parts) for name in parts[0]}
    np.testing.assert_allclose(sums["sum"], IMAGES.reshape(600, 4).astype(np.float64).sum(axis=0))
    first.take_real(sums)
    assert first.knows_real

    def scores(scored):
        fake = scored.measure([(0, IMAGES[:300] / 2)], 300, thorough=True)
        return [(s.name, s.value) for s in scored.scores(fake, {})]

    again = FeatureScores(flat, ArraySource(IMAGES, np.zeros(600)))
    assert again.knows_real and scores(again) == scores(first)
    assert [name for name, _ in scores(again)] == [f"{n} (flat)" for n in NAMES]
    assert not FeatureScores(flat, ArraySource(IMAGES + 0.1, np.zeros(600))).knows_real  # other samples
    unknown = ArraySource(IMAGES[:, :1].repeat(2, axis=1), np.zeros(600))
    assert not FeatureScores(flat, unknown).knows_real


def test_equal_sets_are_no_distance_apart(flat, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path))
    scored = FeatureScores(flat, ArraySource(IMAGES, np.zeros(600)))
    scored.take_real(scored.measure_real((0, 1), no_bar))
    fake = scored.measure([(0, IMAGES)], 600, thorough=True)
    values = {score.name: score.value for score in scored.scores(fake, {"seed": 0})}
    assert values["FD (flat)"] == pytest.approx(0, abs=1e-9)
    assert values["precision (flat)"] == values["recall (flat)"] == 1
    assert not any("KD" in score.name for score in scored.scores(scored.measure([(0, IMAGES)], 600, False), {}))


@pytest.mark.parametrize("number, warns", [(4, True), (5, False)])  # of 4 features
def test_too_few_samples_for_a_covariance_are_said(flat, tmp_path, monkeypatch, number, warns):
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path))
    scored = FeatureScores(flat, ArraySource(IMAGES, np.zeros(600)))
    scored.take_real(scored.measure_real((0, 1), no_bar))
    found = scored.scores(scored.measure([(0, IMAGES[:number])], number, thorough=False), {})
    said = "4 samples give no covariance of 4 features: take 5 or more"
    too_few = f"{number} samples in 10 splits: fewer in each than classes, take {10 * flat.sizes((2, 2, 1))[1]} or more"
    assert [score.signature.get("warning") for score in found] == [said if warns else None, too_few]
    whole = scored.scores(scored.measure([(0, IMAGES)], 600, thorough=False), {})
    assert not any("warning" in score.signature for score in whole)


def test_images_of_another_size_are_resized(flat):
    assert flat.side == 2
    assert flat.resize((2, 4, 1)) == "bilinear, 2x4x1 to side 2" and flat.resize((4, 2, 1)).startswith("bilinear")
    assert flat.resize((4, 4, 1)) == "bilinear, 4x4x1 to side 2" and flat.resize((2, 2, 1)) == "none, 2x2x1"
    large = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    # Half-pixel centres: the new pixels are at .5 and 2.5 of the old ones, between two in each direction.
    np.testing.assert_allclose(flat(large)["pool_3"], [[2.5, 4.5, 10.5, 12.5]])
