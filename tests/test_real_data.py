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
