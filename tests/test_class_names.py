"""Classes by their names."""

import json
import os

import numpy as np
import pytest
from conftest import ROOT, launch

from tfdgan.cli.exports import model_card
from tfdgan.errors import UserError
from tfdgan.tasks.image import class_names
from tfdgan.tasks.image.options import ImageGenerateOptions

PETS = ["cat", "dog", "emu"]


@pytest.mark.parametrize(
    "label, names, number",
    [("dog", PETS, 1), ("2", PETS, 2), ("0", PETS, 0), ("2", [], 2), ("1", ["1", "5"], 0), ("5", ["1", "5"], 1)],
)
def test_a_number_counts_where_no_name_is_one(label, names, number):
    assert class_names.number(label, names, classes=3) == number


@pytest.mark.parametrize(
    "label, names, classes, said",
    [
        ("dogs", PETS, 3, "no such class; did you mean dog?"),
        ("bird", PETS, 3, "no such class; give a number from 0 to 2, or one of cat, dog, emu"),
        ("4", PETS, 3, "no such class; give a number from 0 to 2, or one of cat, dog, emu"),
        ("0", ["1", "5", "9"], 3, "no such class; give one of 1, 5, 9"),
        (
            "0",
            [f"{n}" for n in range(1, 21)],
            20,
            "no such class; give one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ...",
        ),
        ("-2", [], 3, "no such class; give a number from 0 to 2"),
        ("\u00b2", [], 3, "no such class; give a number from 0 to 2"),
        ("cat", [], None, "this generator knows no classes; train with --conditional"),
    ],
)
def test_classes_that_are_not_there(label, names, classes, said):
    with pytest.raises(UserError) as caught:
        class_names.number(label, names, classes)
    assert caught.value.as_flags() == f"--label={label}: {said}"


def test_what_older_scripts_give():
    assert [ImageGenerateOptions(output="a.png", label=label).label for label in (3, -1, "-1")] == ["3", "", ""]


def test_other_names_or_another_order_have_another_hash():
    names = [["cat", "dog"], ["dog", "cat"], ["cat\ndog"], ["cat", "dog", "caf\udce9"], [""]]
    assert len({class_names.digest(some) for some in names}) == 5 and class_names.digest([]) == ""


def test_what_a_model_card_says_of_them():
    said = model_card._named({"class_names": ["cat", "a\n# dog", "caf\udce9"]})
    assert said == " (`labels.txt` has their names, a line each): 0 = `cat`, 1 = `a # dog`, 2 = `caf\\udce9`"
    assert model_card._named({"classes": 3}) == ""
    assert model_card._named({"class_names": [f"kind {n}" for n in range(21)]}).endswith("19 = `kind 19`, ...")


OTHERS = """
import numpy as np
from tfdgan import distributed


def pets():
    kinds = ["cat", "dog"] if distributed.rank() == 0 else ["cat", "owl"]
    return np.zeros([8, 2], np.float32), np.array(kinds * 4)


def mixed():
    return np.random.default_rng(distributed.rank()).permutation(np.arange(8)[:, np.newaxis].astype(np.float32))


def pair(config, sample_shape, classes=None):
    raise AssertionError("built, although a label means another class elsewhere")
"""


@pytest.mark.slow
@pytest.mark.distributed
def test_learners_whose_classes_have_other_names(tmp_path):
    (tmp_path / "others.py").write_text(OTHERS)
    flags = ("--dataset=others:pets", "--model=others:pair", "--conditional", f"--workdir={tmp_path}/run")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    done = launch(2, "-m", "tfdgan.train", *flags, check=False, PYTHONPATH=path)
    assert "error: --dataset=others:pets: learner 1 reads other data than learner 0, or names classes" in done.stderr
    # Labels that nobody uses may mean anything.
    done = launch(2, "-m", "tfdgan.train", *flags, "--noconditional", check=False, PYTHONPATH=path)
    assert "reads other data" not in done.stderr and "built, although" in done.stderr
    done = launch(
        2, "-m", "tfdgan.train", *flags, "--noconditional", "--dataset=others:mixed", check=False, PYTHONPATH=path
    )
    assert "error: --dataset=others:mixed: learner 1 has other samples than learner 0, or the same in an" in done.stderr


PAIR = """
import keras
from keras import layers


def build(options, sample_shape, classes):
    latents, labels = keras.Input((options.latent_size,)), keras.Input((), dtype="int32")
    both = layers.Concatenate()([latents, layers.Embedding(classes, 4)(labels)])
    generator = keras.Model([latents, labels], layers.Dense(sample_shape[0])(both))
    points, labels = keras.Input(sample_shape), keras.Input((), dtype="int32")
    both = layers.Concatenate()([points, layers.Embedding(classes, 4)(labels)])
    return generator, keras.Model([points, labels], layers.Dense(1)(both))
"""


@pytest.mark.slow
def test_from_labels_to_a_sample_of_a_class_and_back_to_the_data(tmp_path):
    def points(*names):
        np.savez(tmp_path / "pets.npz", x=np.random.default_rng(0).standard_normal((9, 5)), y=np.array(names * 3))

    def run(command, *flags, **options):
        path = f"{tmp_path}{os.pathsep}{ROOT}"
        return launch(0, "-m", f"tfdgan.{command}", f"--workdir={tmp_path}/run", *flags, PYTHONPATH=path, **options)

    (tmp_path / "pair.py").write_text(PAIR)
    points("cat", "dog", "emu")
    data = (f"--dataset=array:{tmp_path}/pets.npz", "--model=pair:build", "--conditional")
    train = (*data, "--latent_size=2", "--batch_size=3", "--critic_steps=1", "--eval_every=0")
    run("train", *train, "--steps=2")
    take = ("--num=2", f"--output={tmp_path}/a.npz")
    assert "2 samples of class emu of step 2" in run("generate", *take, "--label=emu").stdout
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["labels"].tolist() == [2, 2]
    run("export", f"--output={tmp_path}/out")
    assert (tmp_path / "out/labels.txt").read_text() == "cat\ndog\nemu\n"
    assert "0 = `cat`, 1 = `dog`, 2 = `emu`" in (tmp_path / "out/README.md").read_text()

    points("cat", "emu", "owl")  # as many samples of as many classes
    done = run("train", *train, "--steps=3", check=False)
    assert (
        done.returncode == 2
        and "class_names: place 1 was 'dog' and is 'emu', no longer there: 'dog', new: 'owl'; use" in done.stderr
    )

    # A checkpoint of an earlier version has no names.
    manifest = tmp_path / "run/checkpoints/00000002/manifest.json"
    kept = json.loads(manifest.read_text())
    del kept["class_names"]
    manifest.write_text(json.dumps(kept))
    points("cat", "dog", "emu")
    assert "2 samples of class 1 of step 2" in run("generate", *take, "--label=1").stdout
    run("export", f"--output={tmp_path}/older")
    assert not (tmp_path / "older/labels.txt").exists()
    assert "done: 3 steps" in run("train", *train, "--steps=3").stdout
