"""What images a run learns from, and what scores compare with: splits of a folder."""

import numpy as np
import pytest
from PIL import Image

from tfdgan.errors import UserError
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.image.real import RealSamples


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(split="train[:5]"), r"folder:\S+: no split train\[:5\]; a folder has train, test, validation"),
        (dict(eval_split="validation"), "no split validation, only test, train; name the folder validation"),
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
    real = samples(tmp_path, eval_split="test")
    with pytest.raises(UserError, match="test/1.png"):
        real.check(real.part(0, 2))
    real.check(real.part(1, 2))  # the first learner reads them
