"""A fourth task, in a module of its own (circle_task.py), through every command, without touching the package."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, launch

pytestmark = [pytest.mark.slow, pytest.mark.distributed]
FLAGS = [
    *("--task=circle_task:Circle", "--radius=2", "--width_g=16", "--batch_size=16", "--critic_steps=2"),
    *("--learning_rate_g=1e-3", "--learning_rate_d=1e-3", "--log_every=10", "--eval_every=20", "--checkpoint_every=20"),
]


def command(learners, name, *flags, **options):
    return launch(learners, "-m", f"tfdgan.{name}", *flags, PYTHONPATH=f"{ROOT}:{ROOT}/tests", **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(the workdir after 40 steps by 2 learners, in two halves; what each half said)."""
    workdir = tmp_path_factory.mktemp("circle") / "run"
    first = command(2, "train", *FLAGS, f"--workdir={workdir}", "--steps=20")
    second = command(2, "train", f"--workdir={workdir}", "--steps=40")
    return workdir, first.stdout, second.stdout


def test_trains_and_resumes(trained):
    workdir, first, second = trained
    assert "done: 20 steps" in first and "resuming at step 20" in second and "done: 40 steps" in second
    assert "--radius=2.0" in (workdir / "config.flags").read_text()
    assert len((workdir / "samples/00000040.txt").read_text().splitlines()) == 4
    with np.load(workdir / "checkpoints/00000040/learner_001.npz") as arrays:
        assert {name.split("/")[0] for name in arrays.files} == {"model", "optimizer", "average"}


def test_is_the_same_in_one_go(trained, tmp_path):
    """Resumed by its own task bit for bit."""
    workdir, *_ = trained
    command(2, "train", *FLAGS, f"--workdir={tmp_path}/run", "--steps=40")
    for rank in range(2):
        name = f"checkpoints/00000040/learner_{rank:03d}.npz"
        with np.load(workdir / name) as halves, np.load(tmp_path / "run" / name) as whole:
            assert sorted(halves.files) == sorted(whole.files)
            for array in whole.files:
                np.testing.assert_array_equal(halves[array], whole[array], err_msg=array)


def test_is_scored_the_same_by_one_and_by_two(trained):
    workdir, *_ = trained
    scores = [json.loads(line) for line in (workdir / "scores.jsonl").read_text().splitlines()]
    assert [(score["step"], score["name"]) for score in scores] == [
        (20, "distance to the circle"),
        (40, "distance to the circle"),
    ]
    for learners in (0, 2):
        said = command(learners, "evaluate", f"--workdir={workdir}").stdout
        signature = "[generated 200, seed 0, weights consensus EMA]"
        assert f"distance to the circle: {scores[-1]['value']:.4g} {signature}" in said


def test_generates_and_exports(trained, tmp_path):
    workdir, *_ = trained
    said = command(0, "generate", f"--workdir={workdir}", "--num=5", f"--output={tmp_path}/points.npz").stdout
    assert "points.npz: 5 points of step 40, consensus EMA" in said
    with np.load(tmp_path / "points.npz") as stored:
        points = stored["points"]
    command(0, "export", f"--workdir={workdir}", f"--output={tmp_path}/exported")
    latents = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    exported = tf.saved_model.load(str(tmp_path / "exported")).signatures["points"](tf.constant(latents))["points"]
    np.testing.assert_allclose(exported, points, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name, flags, said",
    [
        ("train", ["--task=circle_task:Circle", "--radius=-1"], "--radius=-1.0: must be above 0"),
        ("train", ["--task=circle_task:Circle", "--image_size=8"], "--image_size: no such flag"),
        ("train", ["--task=circle_task:Square"], "--task=circle_task:Square: "),
        ("train", ["--task=circle_task:CircleModule"], "is no class that inherits from tfdgan.tasks.Task"),
        ("train", ["--task=no_such_module:Circle"], "--task=no_such_module:Circle: no module 'no_such_module'"),
        ("train", ["--task=sound"], "--task=sound: choose one of image, text, style_transfer, or package.module:Class"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(name, flags, said, tmp_path):
    done = command(0, name, *flags, f"--workdir={tmp_path}/run", check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and said in errors[0], done.stderr


def test_flags_of_another_task_are_refused(trained, tmp_path):
    workdir = shutil.copytree(trained[0], tmp_path / "run")
    done = command(0, "evaluate", f"--workdir={workdir}", "--inception=/x", check=False)
    assert done.returncode == 2 and "--inception=/x: means nothing for the task of" in done.stderr
    done = command(0, "generate", f"--workdir={workdir}", "--layout=grid", f"--output={tmp_path}/x.npz", check=False)
    assert done.returncode == 2 and "--layout: no such flag" in done.stderr


def test_watch_ends_and_keeps_the_best(trained, tmp_path):
    """Scores of one's own, whose signatures say little: every checkpoint is scored once, and the last one ends it."""
    workdir = shutil.copytree(trained[0], tmp_path / "run")
    (workdir / "scores.jsonl").unlink()  # in which `evaluate` may have scored a step already
    said = command(0, "evaluate", f"--workdir={workdir}", "--watch", timeout=120).stdout
    assert [said.count(f"step {step} of") for step in (20, 40)] == [1, 1] and "best: distance to the circle" in said
    best = command(0, "generate", f"--workdir={workdir}", "--step=best", f"--output={tmp_path}/best.npz").stdout
    assert "16 points of step" in best
