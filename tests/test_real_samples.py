"""What images a run learns from, and what scores compare with: splits of a folder."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tfdgan.errors import UserError
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.image.real import RealSamples
from tfdgan.tasks.image.task import ImageTask


def save(folder, number, grey, side=8):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        Image.fromarray(np.full((side, side), grey, np.uint8)).save(folder / f"{i}.png")


def samples(folder, **options):
    return RealSamples(ImageOptions(workdir="unused", dataset=f"folder:{folder}", **options))


def test_a_folder_is_learned_from_and_compared_with_by_its_splits(tmp_path):
    save(tmp_path / "train/cat", 4, 0)
    save(tmp_path / "train/dog", 4, 0)
    save(tmp_path / "Test", 3, 255)  # without classes, which scores do not need
    real = samples(tmp_path, conditional=True, model="resnet", eval_split="test")
    part = real.part(1, 2)
    assert (len(part), part.classes) == (4, 2)
    assert (real.check(part) == -1).all()
    others = real.everything("test")
    assert len(others) == 3 and (next(iter(others.once(3))).numpy() == 1).all()
    assert len(samples(tmp_path, split="test").part(0, 1)) == 3


def test_what_is_compared_with_needs_no_labels_where_learners_have_classes_of_their_own(tmp_path):
    save(tmp_path / "train/cat", 2, 0)
    save(tmp_path / "train/dog", 2, 255)
    save(tmp_path / "test", 3, 0)
    real = samples(tmp_path, partition="by_label", eval_split="test")
    part = real.part(1, 2)
    assert (real.check(part) == 1).all() and len(real.everything("test")) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            dict(split="train[:5]"),
            r"folder:\S+: no split train\[:5\] \(split, eval_split\); a folder may have train, test",
        ),
        (
            dict(eval_split="val"),
            r"no split validation \(split, eval_split\), only test, train; name the folder validation",
        ),
        (dict(eval_split="test"), "eval_split=test: holds images of 9x9x1, those learned from are 8x8x1; give im"),
        (dict(split="test", conditional=True, model="resnet"), "^conditional: .* has no labels"),
    ],
)
def test_splits_that_will_not_do(tmp_path, options, said):
    save(tmp_path / "train", 2, 0)
    save(tmp_path / "test", 2, 0, side=9)
    real = samples(tmp_path, **options)
    with pytest.raises(UserError, match=said):
        real.check(real.part(0, 1))


def test_a_file_that_only_scores_would_read_is_named_before_training(tmp_path):
    save(tmp_path / "train", 2, 0)
    save(tmp_path / "test", 1, 0)
    broken = tmp_path / "test/1.png"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(pixels).save(broken)
    broken.write_bytes(broken.read_bytes()[:-40])
    options = ImageOptions(workdir="unused", dataset=f"folder:{tmp_path}", eval_split="testing")
    with pytest.raises(UserError, match="test/1.png"):
        ImageTask(options).prepare()
    assert ImageTask(dataclasses.replace(options, eval_split="")).prepare() == []
