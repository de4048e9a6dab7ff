"""`train --dry_run`: everything that comes before training, two real steps, nothing written."""

import re

import keras
import pytest
from conftest import launch

from tfdgan.cli.dry_run import _duration, _number, shapes

pytestmark = pytest.mark.slow

DRY = ("-m", "tfdgan.train", "--dry_run")


def test_two_learners_say_what_a_run_will_take(tmp_path):
    flags = ("--flagfile=configs/gaussians.flags", "--width_g=16", "--width_d=8", f"--workdir={tmp_path}/a/run")
    flags += ("--clip_norm_c=1",)
    said = launch(2, *DRY, *flags).stdout
    # Critic: 2 -> 8 -> 8 -> 8 -> 1; generator: 32 -> 16 -> 16 -> 16 -> 2, dense layers with biases.
    assert re.search(r"samples: [\d,]+ of shape \(2,\) for each learner, \d+ a batch", said)
    critic, generator = re.findall(r"(?:critic|generator): (.+), ([\d,]+) parameters", said)
    assert critic == ("(2,) -> (1,)", str(2 * 8 + 8 + 2 * (8 * 8 + 8) + 8 + 1))
    latents = int(re.match(r"\((\d+),\) -> \(2,\)", generator[0])[1])
    assert generator[1] == str(latents * 16 + 16 + 2 * (16 * 16 + 16) + 16 * 2 + 2)
    assert re.search(r"training: first step \S+ s .* ms a step; 5,000 steps take some", said)
    assert re.search(r"network: \S+ MB a step from each learner", said)
    assert said.count("dry run: training can start; nothing was written into the workdir") == 1
    assert re.search(r"memory: at most \d{3},?\d* MB a learner so far, 0.\d+ MB of it weights and slots", said)
    assert said.count("note: --clip_norm_c has no effect with --trainer=") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_checked_and_left_alone(tmp_path):
    flags = ("--flagfile=configs/gaussians.flags", f"--workdir={tmp_path}/run", "--eval_every=0")
    launch(0, "-m", "tfdgan.train", *flags, "--steps=5")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}
    done = launch(0, *DRY, *flags, "--steps=5")
    assert "dry run: training can start" in done.stdout
    assert f"note: {tmp_path}/run has a run of 5 steps, with which training would go on" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()} == before
    done = launch(0, *DRY, *flags, "--steps=5", "--batch_size=7", check=False)
    assert done.returncode == 2 and "was trained with other flags; batch_size: " in done.stderr
    done = launch(0, *DRY, *flags, "--join=localhost:9", "--on_peer_loss=degrade", check=False)
    assert done.returncode == 2 and "--join=localhost:9: a dry run joins no running job" in done.stderr


def test_a_phase_before_the_game_is_timed_too(tmp_path):
    flags = (
        *("--task=text", "--dataset=oracle", "--model=lstm", "--vocabulary_size=20", "--sentence_length=4"),
        *("--corpus_size=200", "--width_g=8", "--embedding_size=4", "--representations=2", "--width_d=4"),
        *("--pretraining_steps=30", "--steps=50", "--batch_size=4", f"--workdir={tmp_path}/run"),
    )
    said = launch(0, *DRY, *flags).stdout
    assert re.search(r"pretraining: .*; 30 steps take", said) and re.search(r"\ntraining: .*; 20 steps take", said)


def test_a_net_that_diverges_at_once_is_found(tmp_path):
    flags = ("--flagfile=configs/gaussians.flags", "--gradient_penalty=1e38", "--precision=bfloat16")
    done = launch(0, *DRY, *flags, f"--workdir={tmp_path}/run", check=False)
    assert done.returncode == 1 and "fault: NaN or Inf in a loss or gradient at step" in done.stderr


def test_shapes_and_durations():
    assert [_number(n) for n in (0.01234, 6.9, 6900, 123.4)] == ["0.0123", "6.9", "6,900", "123"]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert shapes(model) == "(3,) -> (2,)"
    first, second = keras.Input((3,)), keras.Input(())
    assert shapes(keras.Model([first, second], keras.layers.Dense(4)(first))) == "(3,) and () -> (4,)"
    assert [_duration(s) for s in (1.234, 119, 120, 5400, 7200, 200_000)] == [
        *("1.23 s", "119 s", "2 minutes", "90 minutes", "2 hours", "2.31 days")
    ]
