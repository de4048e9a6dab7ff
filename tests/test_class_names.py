"""Classes by their names."""

import os

import pytest
from conftest import ROOT, launch

from tfdgan.cli.exports import model_card
from tfdgan.errors import UserError
from tfdgan.tasks.image import class_names

PETS = ["cat", "dog", "3"]


@pytest.mark.parametrize(
    "label, names, number", [("dog", PETS, 1), ("3", PETS, 2), ("2", PETS, 2), ("0", PETS, 0), ("2", [], 2)]
)
def test_a_name_comes_before_a_number(label, names, number):
    assert class_names.number(label, names, classes=3) == number


@pytest.mark.parametrize(
    "label, names, classes, said",
    [
        ("dogs", PETS, 3, "no such class; did you mean dog?"),
        ("bird", PETS, 3, "no such class; give a number from 0 to 2, or a name"),
        ("4", PETS, 3, "no such class; give a number from 0 to 2, or a name"),
        ("-1", [], 3, "no such class; give a number from 0 to 2"),
        ("\u00b2", [], 3, "no such class; give a number from 0 to 2"),
        ("cat", [], None, "this generator knows no classes; train with --conditional"),
    ],
)
def test_classes_that_are_not_there(label, names, classes, said):
    with pytest.raises(UserError) as caught:
        class_names.number(label, names, classes)
    assert caught.value.as_flags() == f"--label={label}: {said}"


def test_what_a_model_card_says_of_them():
    assert model_card._named({"class_names": ["cat", "dog"]}) == ": 0 cat, 1 dog"
    assert model_card._named({"class_names": ["0", "1"]}) == model_card._named({"classes": 3}) == ""
    many = model_card._named({"class_names": [f"kind {n}" for n in range(21)]})
    assert many.startswith(": 0 kind 0, ") and many.endswith("19 kind 19, ...; `labels.txt` has all names, a line each")


OTHERS = """
import numpy as np
from tfdgan import distributed


def pets():
    kinds = ["cat", "dog"] if distributed.rank() == 0 else ["cat", "owl"]
    return np.zeros([8, 2], np.float32), np.array(kinds * 4)


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
    assert "error: --dataset=others:pets: learner 1 reads other data than learner 0; copy one to all" in done.stderr
    # Labels that nobody uses may mean anything.
    done = launch(2, "-m", "tfdgan.train", *flags, "--noconditional", check=False, PYTHONPATH=path)
    assert "reads other data" not in done.stderr and "built, although" in done.stderr
