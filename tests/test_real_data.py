"""The main job on real CIFAR-10, and scores by a real extractor."""

import json

import pytest
from conftest import launch

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_cifar_flags_on_eight_learners(data_folder, tmp_path):
    done = launch(
        8,
        *("-m", "tfdgan.train", "--flagfile=configs/cifar.flags", f"--workdir={tmp_path}/run"),
        *(f"--data_dir={data_folder}/tfds", "--steps=3", "--batch_size=8", "--log_every=1", "--eval_every=3"),
    )
    assert "training 3 steps on 8 learner(s)" in done.stdout and "done: 3 steps" in done.stdout
    assert len(list((tmp_path / "run/checkpoints/00000003").glob("learner_*.npz"))) == 8
    assert (tmp_path / "run/samples/00000003.png").stat().st_size > 10_000

    extractor = data_folder / "cifar10_classifier"
    flags = (f"--workdir={tmp_path}/run", f"--inception={extractor}", "--samples=300")
    said = launch(0, "-m", "tfdgan.evaluate", *flags).stdout
    assert "FD (cifar10_classifier): " in said and "generated 300" in said and "FID" not in said
    record = json.loads((tmp_path / "run/scores.jsonl").read_text().splitlines()[-1])
    # Three steps make no images: far above the .04 of real test images.
    assert record["value"] > 1
    assert record["signature"]["extractor"].startswith("cifar10_classifier ")


def test_frechet_distance_of_known_sets(data_folder):
    """Train's first 10,000 against all of train, as the extractor's report has it: 0.0271 by scipy's sqrtm."""
    from tfdgan import data
    from tfdgan.config import Config
    from tfdgan.metrics.extractor import Extractor
    from tfdgan.metrics.frechet import Moments, frechet_distance

    extractor = Extractor(str(data_folder / "cifar10_classifier"))
    source = data.load(Config(dataset="cifar10", data_dir=str(data_folder / "tfds")))
    first, everything = Moments(), Moments()
    for batch in source.once(500):
        features = extractor(batch)["pool_3"]
        everything.add(features)
        if first.count < 10_000:
            first.add(features)
    assert everything.count == 50_000
    assert frechet_distance(first, everything) == pytest.approx(0.0271, abs=0.001)
