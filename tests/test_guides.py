"""The guides' commands, run as they are typed, with smaller nets and fewer steps (flags that come after, and win)."""

import itertools
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, launch
from guides import ALL, ELSEWHERE, HERE, NOWHERE
from PIL import Image

_SENTENCES = ["--steps=3", "--pretraining_steps=2", "--corpus_size=100", "--eval_every=3", "--width_g=8", "--width_d=4"]
_SENTENCES += ["--sentence_length=5", "--critic_steps=1", "--generator_steps=1"]
SHORTER = {
    "gaussians": ["--steps=4", "--eval_every=0"],
    "digits": ["--steps=4", "--eval_every=4", "--eval_samples=100", "--width_g=4", "--width_d=4", "--batch_size=4"],
    "folder": ["--steps=2", "--eval_every=0", "--width_g=4", "--width_d=4", "--batch_size=4"],
    "text": [*_SENTENCES, "--memory_heads=1", "--representations=2"],
    "style": [*_SENTENCES, "--style_size=4"],
}
DIGITS = ("-m", "tfdgan.train", "--preset=digits", "--norandom_mixing", *SHORTER["digits"], "--log_every=2")


class Shrunk(tf.Module):
    """An extractor that a reader may have: pool_3, the images at 4 x 4 in grey; logits, the first ten of these."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)])
    def __call__(self, images):
        small = tf.reshape(tf.reduce_mean(tf.image.resize(images, [4, 4]), axis=-1), [-1, 16])
        return {"pool_3": small, "logits": small[:, :10]}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder as a reader has it: the clone's configurations and tools, two runs, pictures, an extractor."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("configs", "tools"):
        (folder / name).symlink_to(ROOT / name)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 40, 32, 3), np.uint8)
    for number, kind in enumerate(["cat", "dog"] * 6):
        (folder / f"PATH/{kind}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[number]).save(folder / f"PATH/{kind}/{number}.png")
    (folder / "sentences.txt").write_text("the food was good\n")
    launch(0, *DIGITS, "--workdir=runs/cifar", cwd=folder)
    tf.saved_model.save(Shrunk(), str(folder / "SAVED_MODEL_FOLDER"))
    conditional = ("--conditional", "--model=resnet", "--image_size=32", "--gradient_penalty=0", "--critic_steps=1")
    scored = ("--dataset=folder:PATH", "--inception=SAVED_MODEL_FOLDER", "--eval_every=4")
    launch(0, *DIGITS, *conditional, *scored, "--workdir=runs/sagan", cwd=folder)
    return folder


def shorter(command):
    """The flags that make a command of a guide short."""
    if "tfdgan.evaluate" in command:
        return ["--samples=100"]
    if "--num=5000" in command:
        return ["--num=20"]
    if "tfdgan.train" not in command:
        return []
    (flags,) = (flags for name, flags in SHORTER.items() if re.search(rf"(configs/|preset=|dataset=){name}", command))
    return flags


@pytest.mark.slow
@pytest.mark.parametrize("page", HERE)
def test_commands_run(page, shelf, tmp_path):
    commands = [words for where, words in ALL if where == page and " ".join(words).startswith(HERE[page])]
    assert len(commands) >= len(HERE[page])
    folder = shutil.copytree(shelf, tmp_path / "reader", symlinks=True)  # pages write files of the same names
    for words in commands:
        command = " ".join(words)
        learners = 2 if words[0] == "horovodrun" else 0  # a guide's 4 share two cores
        done = launch(learners, *words[words.index("python") + 1 :], *shorter(command), cwd=folder)
        outputs = [word.removeprefix("--output=") for word in words if word.startswith("--output=")]
        assert done.stdout and all((folder / path).exists() for path in outputs), command
        if "tfdgan.train" in words:
            assert ("done:" in done.stdout) == ("--dry_run" not in words), command


def test_each_command_has_its_place():
    for page, words in ALL:
        if page == "results.md":
            continue
        command = " ".join(words)
        places = [start for kind in (HERE, ELSEWHERE, NOWHERE) for start in kind.get(page, ())]
        assert [start for start in places if command.startswith(start)], f"{page}: {command}: which test runs it?"
    for kind in (HERE, ELSEWHERE, NOWHERE):
        for page, starts in kind.items():
            for start in starts:
                typed = [words for where, words in ALL if where == page and " ".join(words).startswith(start)]
                assert typed, f"{page}: {start}: no such command"
    for path, name in (place.split("::") for places in ELSEWHERE.values() for place in places.values()):
        assert f"def {name}(" in (ROOT / "tests" / path).read_text()
    assert len(list(itertools.chain(*NOWHERE.values()))) == 4
