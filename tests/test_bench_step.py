"""tools/bench_step.py: both sides of a comparison do the same steps, and what cannot be compared is refused."""

import math
import re

import pytest
from conftest import ROOT, launch
from step_worker import Steps

BENCH = ("tools/bench_step.py", "--problem=gaussians", "--blocks=1", "--steps=2")


def row(*flags):
    """(the table's header, the figures of its one row)."""
    header, line = (line for line in launch(0, *BENCH, *flags).stdout.splitlines() if line.strip())
    name, *figures = re.findall(r"\S+", line.replace(" to ", " "))
    assert name == "gaussians"
    return header, [float(figure) for figure in figures]


@pytest.mark.slow
def test_both_sides_train_the_same_weights():
    header, (ours, theirs, ratio, low, high, peak, differ) = row(f"--against={ROOT}")
    assert "other, ms" in header
    assert ratio == low == high == pytest.approx(ours / theirs, rel=0.02) and math.isfinite(peak)
    assert differ < 1e-6


def test_steps_of_text_are_those_of_the_game():
    sizes = dict(vocabulary_size=20, sentence_length=5, corpus_size=50, width_g=8, width_d=4, representations=2)
    options = dict(task="text", dataset="oracle", model="lstm", embedding_size=4, batch_size=4, critic_steps=1)
    steps = Steps({**options, **sizes, "strategy": "local", "steps": 10, "pretraining_steps": 4})
    figures = steps.trainer.steps(4, 1, iter(steps.batches))
    assert "loss/critic" in figures and steps.block(2) > 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--against=/nowhere",), "--against=/nowhere: no checkout of this project there"),
        ((f"--against={ROOT}", "--part=options"), "--part=options does not compare with another"),
        (("--against=/nowhere", "--task=text"), "--against=/nowhere: no checkout of this project there"),
        (("--problem=chess",), "--problem=chess: choose among gaussians"),
    ],
)
def test_what_cannot_be_compared_is_one_line(flags, said):
    done = launch(0, *BENCH, *flags, check=False)
    assert done.returncode == 2 and said in done.stderr
