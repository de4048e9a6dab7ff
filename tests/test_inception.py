"""The Inception net of FID: its pixels by hand, its weights, its names; against torch-fidelity where there is one.

pip install .[fidelity] && pytest tests/test_inception.py
"""

import hashlib
import os

import numpy as np
import pytest
import tensorflow as tf
from conftest import launch
from keras import layers

from tfdgan.metrics import inception
from tfdgan.metrics.extractor import SavedModelExtractor
from tfdgan.metrics.frechet import Moments, frechet_distance

pytestmark = pytest.mark.slow


def synthetic(model):
    """A state dict {name: array} of random weights that keep activations near 1, as PyTorch names them."""
    random, made = np.random.default_rng(0), {"fc.bias": np.zeros(inception.LOGITS, np.float32)}
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            height, width, inputs, outputs = layer.kernel.shape
            spread = (2 / (height * width * inputs)) ** 0.5
            made[f"{layer.name}.conv.weight"] = spread * random.standard_normal((outputs, inputs, height, width))
        elif isinstance(layer, layers.BatchNormalization):
            name, count = layer.name.removesuffix(".bn"), layer.beta.shape[0]
            for part, low, high in (("weight", 0.8, 1.2), ("bias", -0.1, 0.1), ("running_mean", -0.1, 0.1)):
                made[f"{name}.bn.{part}"] = random.uniform(low, high, count)
            made[f"{name}.bn.running_var"] = random.uniform(0.8, 1.2, count)
        elif layer.name == "fc":
            made["fc.weight"] = 0.02 * random.standard_normal((inception.LOGITS, 2048))
    return {name: np.asarray(value, np.float32) for name, value in made.items()}


@pytest.fixture(scope="module")
def weights():
    return synthetic(inception.build())


@pytest.fixture(scope="module")
def model(weights):
    model = inception.build()
    inception.take_weights(model, weights)
    return model


@pytest.fixture(scope="module")
def extractor(model, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("inception") / "my_inception")
    inception.save(model, "0123", path)
    return SavedModelExtractor(path)


def pictures(number, seed, side=32):
    """Bytes [n, side, side, 3] with structure at several scales."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (number, 5, 5, 3)).astype(np.float32)
    smooth = tf.image.resize(coarse, [side, side], method="bicubic").numpy()
    return np.clip(smooth + 20 * random.standard_normal(smooth.shape), 0, 255).astype(np.uint8)


def as_samples(stored):
    return stored.astype(np.float32) / np.float32(127.5) - 1


def test_the_parameters_are_those_of_the_net():
    """21,785,568 trained ones before the last layer, as the published net has without its second classifier."""
    model = inception.build()
    kernels = sum(np.prod(layer.kernel.shape) for layer in model.layers if isinstance(layer, layers.Conv2D))
    norms = sum(2 * layer.beta.shape[0] for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    assert sum(isinstance(layer, layers.Conv2D) for layer in model.layers) == 94
    assert kernels + norms == 21_785_568
    assert model.count_params() == kernels + 2 * norms + 2048 * 1008
    assert [tuple(x.shape[1:]) for x in model.outputs] == [(2048,), (1008,)]


def test_pixels_by_hand():
    """Twice the side and one pixel less: place i of 299 is source i * 2 / 299, weighed between its two neighbours."""
    images = as_samples(np.array([[[[0] * 3, [100] * 3], [[50] * 3, [255] * 3]]], np.uint8))
    found = inception.pixels(tf.constant(images)).numpy() * 128 + 128
    assert found.shape == (1, 299, 299, 3)
    for row, column in ((0, 0), (0, 75), (75, 0), (149, 298), (298, 298)):
        y, x = min(row * 2 / 299, 1), min(column * 2 / 299, 1)  # beyond the last pixel there is that pixel
        top, bottom = (1 - x) * 0 + x * 100, (1 - x) * 50 + x * 255
        assert found[0, row, column, 1] == pytest.approx((1 - y) * top + y * bottom, abs=1e-3)


def test_pixels_are_bytes_first():
    images = np.full((1, 4, 4, 3), 0.5011, np.float32)  # 191.39
    assert np.unique(inception.pixels(tf.constant(images))).tolist() == [(191 - 128) / 128]
    assert float(tf.reduce_max(inception.pixels(tf.constant(3 * images)))) == (255 - 128) / 128


def test_weights_that_do_not_fit(model, weights):
    with pytest.raises(ValueError, match="there is no weight Mixed_6e.branch7x7_2.conv.weight"):
        inception.take_weights(model, {k: v for k, v in weights.items() if k != "Mixed_6e.branch7x7_2.conv.weight"})
    with pytest.raises(ValueError, match=r"the weight fc.weight has shape \(1000, 2048\), which does not fit"):
        inception.take_weights(model, {**weights, "fc.weight": np.zeros((1000, 2048), np.float32)})


def test_the_extractor_takes_images_of_any_size(extractor, model):
    for side in (32, 40):
        images = as_samples(pictures(2, 0, side))
        found, expected = extractor(images), model(inception.pixels(tf.constant(images)), training=False)
        np.testing.assert_allclose(found["pool_3"], expected[0], atol=1e-4)
        np.testing.assert_allclose(found["logits"], expected[1], atol=1e-4)
    assert extractor.side is None
    assert extractor.resize((32, 32, 3)) == "to bytes, then TensorFlow 1's bilinear, 32x32x3 to side 299"
    with pytest.raises(TypeError, match="does not take"):
        extractor(np.zeros((1, 32, 32, 1), np.float32))


def test_a_score_is_fid_only_by_the_known_weights(extractor, monkeypatch):
    assert [extractor.named(kind) for kind in ("FD", "IS")] == ["FD (my_inception)", "IS (my_inception)"]
    monkeypatch.setattr(inception, "KNOWN_SHA256", "0123")
    assert [extractor.named(kind) for kind in ("FD", "KD", "IS", "recall")] == [
        "FID",
        "KID",
        "IS",
        "recall (my_inception)",
    ]


def test_files_that_are_no_state_dict_are_one_line(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "text.pth").write_text("no state dict")
    tool = ("tools/convert_inception.py", f"--weights={tmp_path}/text.pth", f"--output={tmp_path}/out")
    done = launch(0, *tool, check=False, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    assert done.returncode == 2 and "text.pth: not a state dict of PyTorch" in done.stderr
    assert not (tmp_path / "out").exists()


def test_torch_fidelity_finds_the_same_features_and_distance(weights, tmp_path):
    """Features to 1e-4, the Frechet distance to 1e-3 of it, of 64 and 64 images."""
    torch = pytest.importorskip("torch")
    net = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    file = tmp_path / "weights.pth"
    torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, file)
    tool = ("tools/convert_inception.py", f"--weights={file}", f"--output={tmp_path}/synthetic")
    launch(0, *tool, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    ours = SavedModelExtractor(str(tmp_path / "synthetic"))
    assert ours.named("FD") == "FD (synthetic)" and ours._inception == hashlib.sha256(file.read_bytes()).hexdigest()
    names = ["2048", "logits_unbiased"]
    theirs = net.FeatureExtractorInceptionV3("theirs", names, feature_extractor_weights_path=str(file))
    sets = [pictures(64, 1), pictures(64, 2, side=40)]
    distances, statistics = [], []
    for stored in sets:
        found = ours(as_samples(stored))
        expected = theirs(torch.from_numpy(stored.transpose(0, 3, 1, 2)))
        print("largest difference of features", np.abs(found["pool_3"] - expected[0].numpy()).max())
        np.testing.assert_allclose(found["pool_3"], expected[0], atol=1e-4)
        np.testing.assert_allclose(found["logits"], expected[1], atol=1e-4)
        values = found["pool_3"].numpy().astype(np.float64)
        distances.append(Moments(len(values), values.sum(axis=0), values.T @ values))
        statistics.append(metric.fid_features_to_statistics(expected[0]))
    expected = metric.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    found = frechet_distance(*distances)
    print("Frechet distance", found, "torch-fidelity's", expected)
    assert found == pytest.approx(expected, rel=1e-3)
