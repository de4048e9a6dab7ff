"""Every configuration trains as it stands but for its size: 20 steps, on images that are made here."""

import json

import numpy as np
import pytest
from conftest import ROOT

import tfdgan
from tfdgan.cli import flagfiles
from tfdgan.storage import png

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:tfdgan.start")]

SMALL = dict(steps=20, log_every=10, eval_every=0, checkpoint_every=0, latent_size=8)
NARROW = dict(width_g=8, width_d=8, batch_size=2)
# What stands for CIFAR-10 and ImageNet: a folder of two classes, of which images are resized.
CIFAR = (
    *("cifar", "cifar_cp", "cifar_dp", "cifar_r3gan", "cifar_recommended", "cifar_resnet"),
    *("cifar_clipped_ratio", "cifar_clipped_ratio_8"),
)
SIDES = {**dict.fromkeys(CIFAR, 32), "imagenet64_sagan": 64, "imagenet_sagan": 128}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (path / "train" / kind).mkdir(parents=True)
        for number in range(4):
            picture = random.integers(256, size=(40, 50, 3), dtype=np.uint8)
            (path / "train" / kind / f"{number}.png").write_bytes(png.to_png(picture))
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.flags")), ids=lambda path: path.stem)
def test_no_flag_is_given_twice(path):
    """The first of two would be lost without a word."""
    lines = [line.split("=")[0].replace("--no", "--", 1) for line in path.read_text().splitlines() if line[:2] == "--"]
    assert len(set(lines)) == len(lines) > 5


def options_of(name, workdir, **changes):
    return flagfiles.read(f"{ROOT}/configs/{name}.flags", **{**SMALL, "workdir": str(workdir), **changes})


# Options that change which functions are traced, or whether something is; the others are numbers, or say how learners
# work together, which tests/distributed/ covers: here is one learner.
KINDS = (
    *("task", "model", "trainer", "objective", "penalty", "conditional", "spectral_normalization", "ratio_clipping"),
    *("sample_reweighting", "update", "precision", "jit", "second_moment", "mix_order", "ratio"),
    "classifier_batches",
)
SWITCHES = ("gradient_penalty", "consistency", "pretraining_steps")
# Options that do the same whatever the net: each of their values in one configuration.
ALIKE = (
    "dataset",
    *("optimizer", "learning_rate_decay", "clip_mode", "center_scores", "temperature_schedule", "clip_norm"),
    *("clip_norm_c", "ema_decay", "inner_latents", "initial_weights", "augment"),
)
MADE_HERE = ("oracle", "digits", "gaussians", "toy_styles")


def traced(path):
    """What a configuration traces, however large: two of equal kind would find the same faults.

    Where sentences come from matters for the oracle, which scores them; test_style_commands.py reads files of styles.
    """
    options = flagfiles.read(str(path))
    switches = [getattr(options, name) > 0 for name in SWITCHES]
    return (*(getattr(options, name) for name in KINDS), *switches, options.dataset == "oracle")


def names(kind):
    """Of configurations of "text", of "style", or "" of images; the first of those that trace the same."""
    found = {traced(path): path.stem for path in sorted((ROOT / "configs").glob("*.flags"), reverse=True)}
    first = sorted(found.values())
    return [name for name in first if next((k for k in ("text", "style") if name.startswith(k)), "") == kind]


def test_few_configurations_share_what_they_trace():
    """So that no change of `traced` leaves a kind of configuration out: these, and only these, are not trained here."""
    trained = {*names(""), *names("text"), *names("style")}
    options = {path.stem: flagfiles.read(str(path)) for path in (ROOT / "configs").glob("*.flags")}
    assert set(options) - trained == {
        *("cifar_cp", "cifar_dp", "cifar_clipped_ratio_8", "imagenet_sagan", "digits"),
        *("text_oracle40", "style_yelp", "style_yelp_small"),
    }
    for option in ALIKE:
        assert {value_of(options[name], option) for name in trained} == {
            value_of(each, option) for each in options.values()
        }, option


def value_of(options, name):
    """Of an option; "read" of data that is not made here."""
    value = getattr(options, name)
    return value if name != "dataset" or value in MADE_HERE else "read"


@pytest.mark.parametrize("name", names("style"))
def test_style_trains_20_steps(name, tmp_path):
    """Ten of them pretraining."""
    little = dict(width_g=6, style_size=2, width_d=4, embedding_size=4, critic_steps=1, generator_steps=1)
    options = options_of(name, tmp_path / "run", **little, pretraining_steps=10, batch_size=8, sentence_length=6)
    sampler = tfdgan.fit(options)
    assert len(sampler(["the food is good", ""], [1, 1])) == 2
    assert json.loads((tmp_path / "run/checkpoints/00000020/manifest.json").read_text())["step"] == 20


@pytest.mark.parametrize("name", names("text"))
def test_text_trains_20_steps(name, tmp_path):
    """Ten of them pretraining; files stand for the captions and one's own."""
    (tmp_path / "lines.txt").write_text("the cat sat on the mat\na dog ran\n" * 20)
    data = {} if "oracle" in name else dict(dataset=f"file:{tmp_path}/lines.txt")
    little = dict(width_g=4, width_d=4, representations=2, critic_steps=1, generator_steps=1, pretraining_steps=10)
    corpus = dict(corpus_size=50, vocabulary_size=30, sentence_length=6, eval_samples=50)
    options = options_of(name, tmp_path / "run", **data, **little, **corpus)
    sampler = tfdgan.fit(options)
    written = sampler.samples(20, seed=0)
    assert written.shape == (20, 6) and len(np.unique(written, axis=0)) > 1
    assert json.loads((tmp_path / "run/checkpoints/00000020/manifest.json").read_text())["step"] == 20


@pytest.mark.parametrize("name", names(""))
def test_trains_20_steps(name, folder, tmp_path):
    data = dict(dataset=f"folder:{folder}", image_size=SIDES[name], **NARROW) if name in SIDES else {}
    updates = dict(critic_steps=1, generator_steps=1) if "ratio" in name else {}
    options = options_of(name, tmp_path / "run", **data, **updates)
    sampler = tfdgan.fit(options)
    labels = np.array([0, 1]) if options.conditional else None
    samples = sampler.at(sampler.latents(2, seed=0), labels)
    assert np.isfinite(samples).all() and (samples[0] != samples[1]).any()
    assert json.loads((tmp_path / "run/checkpoints/00000020/manifest.json").read_text())["step"] == 20


def test_training_brings_samples_closer_to_real_digits(tmp_path):
    """FD against scikit-learn's digits after one step, which is as good as none, and after 400."""
    changes = dict(model="mlp", width_g=64, width_d=64, latent_size=16, eval_every=1000, batch_size=32)
    changes |= dict(learning_rate_g=1e-3, learning_rate_d=1e-3)
    for steps in (1, 400):
        options = options_of("digits", tmp_path / "run", **{**changes, "steps": steps})
        tfdgan.fit(options)
    scores = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text().splitlines()]
    first, last = (score["value"] for score in scores if score["name"].startswith("FD"))
    assert last < first / 3, (first, last)
