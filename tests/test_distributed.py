"""Launches the tests in distributed/ on several learners, one launch for many tests."""

import re

import pytest
from conftest import launch

pytestmark = pytest.mark.distributed


@pytest.mark.parametrize(
    "learners, files",
    [
        (1, ["test_native.py"]),
        (2, ["test_native.py"]),
        (3, ["test_collectives.py", "test_mix.py", "test_native.py", "test_strategies.py", "test_trainer.py"]),
        (
            4,
            [
                "test_collectives.py",
                "test_mix.py",
                "test_mixing_variants.py",
                "test_native.py",
                "test_scoring.py",
                "test_strategies.py",
                "test_trainer.py",
            ],
        ),
        (8, ["test_native.py", "test_bilinear_eight.py"]),
    ],
)
def test_on_several_learners(learners, files):
    paths = [f"tests/distributed/{name}" for name in files]
    done = launch(learners, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider", *paths)
    passed = [int(n) for n in re.findall(r"(\d+) passed", done.stdout)]
    assert len(passed) == learners and len(set(passed)) == 1, done.stdout[-2000:]
    assert "skipped" not in done.stdout
