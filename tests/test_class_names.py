"""Classes by their names."""

import pytest

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
