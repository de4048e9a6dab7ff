"""Scores in closed form, the consensus sketch, extractors, running averages and noise."""

import dataclasses
import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.metrics import SavedModelExtractor, Score, modes
from tfdgan.metrics.consensus_distance import distance, sketch, sketched_distance
from tfdgan.metrics.frechet import Moments, frechet_distance
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.image.task import ImageTask
from tfdgan.training.average import ModelAverage
from tfdgan.training.noise import Noise
from tfdgan.training.scoring import no_progress


def moments(features):
    return Moments(len(features), features.sum(axis=0), features.T @ features)


def given_moments(mean, covariance):
    """As `Moments`, of a Gaussian that is known."""
    return types.SimpleNamespace(mean=np.array(mean, float), covariance=np.array(covariance, float))


def test_frechet_distance_of_diagonal_gaussians():
    # |mu|^2 = 1 + 4 and sum (sqrt a - sqrt b)^2 = (1 - 2)^2 + (3 - 3)^2.
    a, b = given_moments([0, 0], np.diag([1, 9])), given_moments([1, 2], np.diag([4, 9]))
    assert frechet_distance(a, b) == pytest.approx(6)
    assert frechet_distance(b, a) == pytest.approx(6)


def test_frechet_distance_of_covariances_that_do_not_commute():
    # The 2 x 2 root has trace sqrt(tr M + 2 sqrt det M), M = A B: here tr M = 8, det M = 4 * 3, and tr A + tr B = 9.
    a, b = given_moments([0, 0], [[4, 0], [0, 1]]), given_moments([0, 0], [[1, 1], [1, 4]])
    expected = 10 - 2 * np.sqrt(8 + 2 * np.sqrt(4 * 3))
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_frechet_distance_of_singular_covariances():
    a, b = given_moments([0, 0], np.diag([1, 0])), given_moments([0, 0], np.diag([4, 0]))
    assert frechet_distance(a, b) == pytest.approx(1)  # (1 - 2)^2
    assert frechet_distance(a, given_moments([0, 0], np.diag([0, 4]))) == pytest.approx(5)  # nothing in common: 1 + 4
    few = np.random.default_rng(0).standard_normal((5, 20))  # rank 4 of 20
    assert frechet_distance(moments(few), moments(few)) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(moments(few), moments(few + 1)) == pytest.approx(20)


def test_modes_by_hand():
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    samples = np.concatenate(
        [
            np.tile([[0.0, 3.9]], (40, 1)),  # good: within 4 sigma; just enough to be found
            np.tile([[10.0, 0.0]], (39, 1)),  # good; one too few
            np.tile([[0.0, 14.1]], (21, 1)),  # too far
        ]
    )
    counts = modes.good_per_mode(samples, centres, sigma=1.0)
    assert counts.tolist() == [40, 39, 0] and modes.found(counts) == 1
    # With a larger sigma the far ones are good, but 21 are too few.
    counts = modes.good_per_mode(samples, centres, sigma=2.0)
    assert counts.tolist() == [40, 39, 21] and modes.found(counts) == 1


def test_consensus_distance_by_hand():
    assert distance([1.0, 9.0, 2.0]) == 2.0  # sqrt(12 / 3)


def weights(seed):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(np.float32) for shape in ((30, 7), (5,), ())]


def test_sketch_is_linear():
    a, b = weights(1), weights(2)
    together = sketch([2 * x - 3 * y for x, y in zip(a, b, strict=True)], seed=4)
    apart = 2 * sketch(a, seed=4) - 3 * sketch(b, seed=4)
    assert together.shape == (64,) and together.dtype == tf.float64
    np.testing.assert_allclose(together, apart, atol=1e-4)


def test_sketch_is_a_function_of_the_seed_and_the_tensors_place():
    np.testing.assert_array_equal(sketch(weights(1), seed=4), sketch(weights(1), seed=4))
    assert (sketch(weights(1), seed=4) != sketch(weights(1), seed=5)).numpy().any()
    x = tf.ones([64])
    # The same entries under other signs: the second tensor is not the first once more.
    assert (sketch([x, x], seed=4) != 2 * sketch([x], seed=4)).numpy().any()


def test_sketchs_squared_norm_is_unbiased():
    tensors = weights(3)
    exact = sum(np.sum(np.square(t, dtype=np.float64)) for t in tensors)
    estimates = [np.sum(np.square(sketch(tensors, seed))) for seed in range(300)]
    # One estimate is off by about 18%, the mean of 300 by 1%.
    assert np.mean(estimates) == pytest.approx(exact, rel=0.035)
    assert np.std(estimates) / exact == pytest.approx((2 / 64) ** 0.5, rel=0.35)


def test_sketched_distance_is_near_the_exact_one():
    learners = [[100 + w for w in weights(seed)] for seed in range(6)]  # far from 0, near each other
    flat = np.array([np.concatenate([w.ravel() for w in learner]) for learner in learners], np.float64)
    exact = distance(np.sum(np.square(flat - flat.mean(axis=0)), axis=1))
    estimates = [sketched_distance(np.array([sketch(learner, seed) for learner in learners])) for seed in range(20)]
    assert np.mean(estimates) == pytest.approx(exact, rel=0.08)
    equal = np.array([sketch(learners[0], 0)] * 4)
    assert sketched_distance(equal) == 0


def test_score_says_what_it_depends_on():
    score = Score("FD (digits_classifier)", 12.34567, {"extractor": "digits_classifier@0a1b", "samples": 1797})
    assert str(score) == "FD (digits_classifier): 12.35 [extractor digits_classifier@0a1b, samples 1797]"
    assert score.record(50) == {"step": 50, "name": score.name, "value": 12.34567, "signature": score.signature}
    assert dataclasses.replace(score, best="low").record(50)["best"] == "low"
    json.dumps(Score("share", np.float32(0.5), {}, spread=np.float32(0.1)).record(1))
    assert str(Score("IS", 2.0, {"+-": "over 10 splits"}, spread=0.125)) == "IS: 2 +- 0.12 [+- over 10 splits]"


def test_which_score_is_better():
    assert Score("FD", 2.0, {}, best="low").beats(3.0) and not Score("FD", 3.0, {}, best="low").beats(3.0)
    assert Score("good", 0.5, {}, best="high").beats(0.4) and not Score("good", 0.5, {}, best="high").beats(0.6)


class Means(tf.Module):
    """Outputs of the given names: the mean colour of an image, times a weight."""

    def __init__(self, *names, weight=2.0):
        super().__init__()
        self.names, self.weight = names, tf.Variable(weight)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def __call__(self, images):
        return {name: self.weight * tf.reduce_mean(images, axis=[1, 2]) for name in self.names}


def test_extractor_gives_both_outputs(tmp_path):
    path = tmp_path / "means"
    tf.saved_model.save(Means("pool_3", "logits"), str(path))
    extractor = SavedModelExtractor(f"{path}/")
    assert extractor.name == "means"
    assert len(extractor.digest) == 8 and int(extractor.digest, 16) >= 0
    outputs = extractor(np.ones((2, 4, 4, 3), np.float32))
    np.testing.assert_array_equal(outputs["pool_3"], np.full((2, 3), 2.0))
    np.testing.assert_array_equal(outputs["logits"], np.full((2, 3), 2.0))


def test_extractor_that_has_only_a_signature(tmp_path):
    module = tf.Module()
    module.means = Means("pool_3", "logits")
    tf.saved_model.save(module, str(tmp_path), signatures=module.means.__call__)
    outputs = SavedModelExtractor(str(tmp_path))(np.ones((2, 4, 4, 3), np.float32))
    np.testing.assert_array_equal(outputs["pool_3"], np.full((2, 3), 2.0))


def test_extractors_digest_is_that_of_graph_and_weights(tmp_path):
    digests = []
    for name, weight in (("a", 2.0), ("b", 3.0)):
        tf.saved_model.save(Means("pool_3", "logits", weight=weight), str(tmp_path / name))
        digests.append(SavedModelExtractor(str(tmp_path / name)).digest)
    assert digests[0] != digests[1]
    assert SavedModelExtractor(str((tmp_path / "a").rename(tmp_path / "c"))).digest == digests[0]


def test_extractor_without_an_output_names_it(tmp_path):
    tf.saved_model.save(Means("pool_3", "scores"), str(tmp_path / "means"))
    with pytest.raises(UserError, match="extractor means: has no output logits, only pool_3, scores"):
        SavedModelExtractor(str(tmp_path / "means"))(np.ones((2, 4, 4, 3), np.float32))


@pytest.mark.parametrize(
    "content", [{}, {"saved_model.pb": b"no model"}, {"variables/x": b"", "saved_model.pb": b"no"}]
)
def test_folder_that_is_no_saved_model_is_refused(tmp_path, content):
    for name, data in content.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=f"inception={tmp_path}"):
        SavedModelExtractor(str(tmp_path))


def test_model_average_by_hand():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[1.0]])])
    average = ModelAverage(model, decay=0.2)
    seen = []
    for step, weight in enumerate([2.0, 3.0, 5.0]):
        model.set_weights([np.array([[weight]])])
        average.update(tf.constant(step, tf.int64))
        seen.append(float(average.trainable[0][0, 0]))
    # d = 1/10, 2/11, then .2 (< 3/12): a = .1 * 1 + .9 * 2 = 1.9; a = (2 * 1.9 + 9 * 3) / 11 = 2.8;
    # a = .2 * 2.8 + .8 * 5 = 4.56.
    assert seen == pytest.approx([1.9, 2.8, 4.56], rel=1e-6)
    average.reset()
    assert float(average.trainable[0][0, 0]) == 5


def test_model_average_takes_statistics_along_and_copies_seeds():
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    average = ModelAverage(model, decay=0.999)
    assert len(average.variables) == len(model.variables)
    model(tf.ones([4, 2]), training=True)
    moved = {v.path.split("/")[-1]: v.numpy() for v in model.non_trainable_variables}
    average.update(tf.constant(0, tf.int64))
    averaged = dict(zip(moved, (v.numpy() for v in average.non_trainable), strict=True))
    np.testing.assert_allclose(averaged["moving_mean"], 0.9 * moved["moving_mean"], rtol=1e-6)  # from 0, d = 1/10
    seeds = [name for name in moved if moved[name].dtype.kind in "iu"]
    assert seeds
    for name in seeds:
        np.testing.assert_array_equal(averaged[name], moved[name])


def test_noise_is_a_function_of_its_arguments():
    noise = Noise(seed=3, learner=1)
    base = noise.normal([5], "latents", 7)
    assert base.dtype == tf.float32
    np.testing.assert_array_equal(Noise(3, 1).normal([5], "latents", tf.constant(7, tf.int64)), base)
    others = [
        Noise(4, 1).normal([5], "latents", 7),
        Noise(3, 2).normal([5], "latents", 7),
        Noise(3, "grid").normal([5], "latents", 7),
        noise.normal([5], "alpha", 7),
        noise.normal([5], "latents", 8),
        Noise(31, 1).normal([5], "latents", 7),
        Noise(3, 11).normal([5], "latents", 7),
    ]
    assert len({tuple(x.numpy()) for x in [base, *others]}) == 1 + len(others)


def test_noise_is_distributed_as_it_says():
    noise = Noise(0, 0)
    normal, uniform = noise.normal([20_000], "a", 0).numpy(), noise.uniform([20_000], "b", 0).numpy()
    # Standard errors: .007 and .005; .002.
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.02
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.009


@pytest.mark.parametrize(
    "shape, said",
    [
        ((5,), "scores images, not samples of shape 5; leave it out"),
        ((8, 8, 1), "does not take images of 8x8x1; train with .*channels=3"),
    ],
)
def test_samples_that_an_extractor_does_not_take(tmp_path, shape, said):
    """Before training, and where a run that was trained without the extractor is scored by it."""
    tf.saved_model.save(Means("pool_3", "logits"), str(tmp_path / "means"))
    model = "mlp" if len(shape) == 1 else "dcgan"
    options = ImageOptions(dataset="given", inception=str(tmp_path / "means"), model=model)
    task = ImageTask(options, samples=np.zeros((4, *shape)))
    with pytest.raises(UserError, match=f"inception=.*means: {said}"):
        task.check(task.source())
    task.sample_shape = shape
    with pytest.raises(UserError, match=f"inception=.*means: {said}"):
        task.measure(None, 2, 0, (0, 1), real=True, thorough=False, progress=no_progress)
