"""The command compare: arms files, statistics, the table; and real runs that are interrupted and gone on with."""

import dataclasses
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, environment, python

from tfdgan import compare as compare_command
from tfdgan.cli import flagfiles
from tfdgan.cli.comparison import arms, results, trials
from tfdgan.errors import UserError
from tfdgan.training import score_log

FILE = """
learners = 2
flagfile = "small.flags"
flags = ["--steps=4"]

[arms.CP-OAdam]
flags = ["--strategy=centralized"]

[arms."DP, a ring"]
learners = 4
flags = ["--topology=ring", "--steps=6"]

[arms.points]
flagfile = "points.flags"
"""
SMALL = "--dataset=digits\n--eval_every=2\n"
POINTS = "--dataset=gaussians\n--model=mlp\n--eval_every=2\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "small.flags").write_text(SMALL)
    (tmp_path / "points.flags").write_text(POINTS)
    (tmp_path / "arms.toml").write_text(FILE)
    return tmp_path / "arms.toml"


def test_arms_are_flagfiles_or_changes_of_one(path):
    found = {arm.name: arm for arm in arms.read(str(path), ["--batch_size=3"])}
    assert list(found) == ["CP-OAdam", "DP, a ring", "points"]
    assert [arm.learners for arm in found.values()] == [2, 4, 2]
    assert [arm.config.dataset for arm in found.values()] == ["digits", "digits", "gaussians"]
    assert [arm.config.steps for arm in found.values()] == [4, 6, 4]
    assert [arm.config.strategy for arm in found.values()] == ["centralized", "decentralized", "decentralized"]
    assert all(arm.config.batch_size == 3 for arm in found.values())
    assert found["DP, a ring"].folder == "DP_a_ring"


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("[arms", "[armies", "has no arms; give each a table"),
        ("learners = 2", "learners = '2'", "the file has learners = '2'; give a whole number"),
        ("learners = 4", "learners = true", "arm DP, a ring has learners = True; give a whole number"),
        ("learners = 4", "learners = 0", "arm DP, a ring: learners = 0; give at least 1"),
        ("learners = 4", "width = 4", "arm DP, a ring has 'width'; choose from learners, flagfile, flags"),
        ('flags = ["--steps=4"]', 'flags = "--steps=4"', "give a list of texts"),
        ('"--steps=4"', '"--stepz=4"', "arm CP-OAdam: --stepz: no such flag"),
        ('"--steps=4"', '"--steps=0"', "arm CP-OAdam: --steps=0: must be at least 1"),
        ('"--steps=4"', '"--seed=3"', "--seed is the comparison's to give"),
        ('"--steps=4"', '"--workdir=x"', "--workdir is the comparison's to give"),
        ('"--steps=4"', '"--eval_every=0"', "makes no scores to compare"),
        ("points.flags", "none.flags", "arm points: --flagfile=.*none.flags: cannot be read"),
        ("--topology=ring", "--topology=torus", "arm DP, a ring: .*torus"),
        ("[arms.points]", '[arms."CP OAdam"]\n[arms."CP_OAdam"]', "would use the folder CP_OAdam"),
        ("learners = 2", "learners = ", "is no TOML"),
    ],
)
def test_arms_that_cannot_be_are_refused(path, old, new, message):
    if "torus" in new:
        path.write_text(FILE.replace(old, new).replace("learners = 4", "learners = 7"))
    else:
        assert old in FILE
        path.write_text(FILE.replace(old, new))
    with pytest.raises(UserError) as caught:
        arms.read(str(path), [])
    said = caught.value.as_flags()
    assert said.startswith(f"--arms={path}: ") and re.search(message, said), said


@pytest.mark.parametrize("path", sorted((ROOT / "configs/comparisons").glob("*.toml")), ids=lambda path: path.stem)
def test_comparisons_of_this_repository_are_valid(path):
    found = arms.read(str(path), [])
    assert len(found) > 1 and (found[0].learners == 1 or found[0].config.strategy == "centralized")


def test_a_run_by_other_flags_is_not_taken_for_the_arms(path, tmp_path):
    """Flags that may change when a run resumes may change here too."""
    (run, *_) = trials.of(arms.read(str(path), []), [3], str(tmp_path))
    os.makedirs(run.workdir)
    trained = dataclasses.replace(run.arm.config, seed=3, workdir=run.workdir, log_every=7)
    (pathlib.Path(run.workdir) / "config.flags").write_text(flagfiles.write(trained))
    run.check()
    (other, *_) = trials.of(arms.read(str(path), ["--batch_size=3"]), [3], str(tmp_path))
    with pytest.raises(
        UserError, match="CP-OAdam, seed 3 was trained in another way; batch_size: 64 -> 3; use another"
    ):
        other.check()


@pytest.mark.parametrize("seeds", ["0,x", "0,00", "-1", "9223372036854775808", ""])
def test_seeds_are_different_whole_numbers(seeds, path):
    with pytest.raises(UserError, match="^seeds="):
        compare_command.main(["compare", f"--arms={path}", "--output=out", f"--seeds={seeds}"])


@pytest.mark.parametrize("flag", ["only", "reference"])
@pytest.mark.parametrize("name", ["other", ""])
def test_an_arm_that_is_not_in_the_file(flag, name, path):
    with pytest.raises(UserError, match=f"^{flag}={name}: no such arm; there are .+, "):
        compare_command.main(["compare", f"--arms={path}", "--output=out", f"--{flag}={name}"])


def test_no_arms_file(tmp_path):
    with pytest.raises(UserError, match="none.toml: cannot be read"):
        arms.read(str(tmp_path / "none.toml"), [])


def test_costs_are_those_of_the_game(tmp_path):
    """Scalars at 2, 4, ..., 12 of 12 steps, 6 of them pretraining; each phase's first tick compiles."""
    import tensorflow as tf

    (tmp_path / "text.toml").write_text(
        '[arms.a]\nflags = ["--task=text", "--dataset=oracle", "--model=lstm", "--pretraining_steps=6", "--steps=12", '
        '"--eval_every=6"]'
    )
    (run,) = trials.of(arms.read(str(tmp_path / "text.toml"), []), [0], str(tmp_path))
    with tf.summary.create_file_writer(os.path.join(run.workdir, "tensorboard")).as_default():
        for step, seconds in ((2, 9.0), (4, 1.0), (6, 1.0), (8, 9.0), (10, 3.0), (12, 5.0)):
            tf.summary.scalar("time/step", seconds, step)
            tf.summary.scalar("network/bytes_a_step", 8.0 if step <= 6 else 32.0, step)
            tf.summary.scalar("norm", float(step), step)
    score_log.add(run.workdir, [dict(step=12, name="FD", value=1.0, signature={}, best="low")])
    ((found,),) = results.read([run], shown=["norm"]).values()
    assert (found.costs.seconds, found.costs.bytes, found.costs.pretraining) == (4, 32, (6, 1, 8))
    assert found.costs.shown == {"norm": 10} and math.isnan(found.costs.waiting)


def test_scores_by_different_means_are_not_compared(path, tmp_path):
    (arm, *_) = arms.read(str(path), [])
    runs = trials.of([arm], [0, 1], str(tmp_path))
    for run, extractor in zip(runs, "ab", strict=True):
        os.makedirs(run.workdir)
        score_log.add(run.workdir, [{"step": 4, "name": "FD", "value": 1.0, "signature": {"extractor": extractor}}])
    with pytest.raises(UserError, match="runs differ in how they are scored: .*a.* and .*b"):
        results.read(runs)
    with pytest.raises(UserError, match="no run has it; there are FD"):
        results.read(runs, ["IS"])


def test_the_score_is_the_first_that_says_what_is_better(path, tmp_path):
    (arm, *_) = arms.read(str(path), [])
    (run,) = trials.of([arm], [0], str(tmp_path))
    os.makedirs(run.workdir)
    made = [("modes", ""), ("good", "high"), ("FD", "low")]
    score_log.add(run.workdir, [dict(step=2, name=n, value=1.0, signature={}, best=best) for n, best in made])
    score_log.add(run.workdir, [dict(step=4, name=n, value=1.0, signature={}) for n, _ in made])  # by an older version
    ((name, (found,)),) = results.read([run]).items()
    assert (name, found.best) == ("good", "high") and list(results.read([run], ["modes", "FD"])) == ["modes", "FD"]
    with pytest.raises(UserError, match="^scalar=norm: no run has it; there are none"):
        results.read([run], shown=["norm"])


REAL = """
flags = [
  "--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=8", "--width_d=8", "--batch_size=4",
  "--critic_steps=1", "--steps=40", "--log_every=4", "--eval_every=20", "--checkpoint_every=20", "--eval_samples=100",
]
[arms.alone]
flags = ["--strategy=local"]
[arms.two]
learners = 2
flags = ["--strategy=decentralized", "--mix_order=after", "--wire_dtype=bfloat16"]
"""


# Runs start as they do but for one thing: TensorFlow is loaded already.
WARM_RUNS = """
import sys
from tfdgan import compare
from tfdgan.cli import command
from tfdgan.cli.comparison import trials

start, given = map(str.split, sys.argv[1:])
plain = trials.Trial.command.fget

def warm(trial):
    line = plain(trial)
    at = line.index("-m")
    return [*line[:at - 1], *start, *line[at:]]

trials.Trial.command = property(warm)
command.run(compare.main, ["compare", *given])
"""


def compare(folder, output, *flags, cold=False):
    given = [f"--arms={folder}/arms.toml", f"--output={output}", *flags]
    how = ["-m", "tfdgan.compare", *given] if cold else ["-c", WARM_RUNS, " ".join(python(cold=False)), " ".join(given)]
    return subprocess.Popen(
        [sys.executable, "-u", *how],
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT}{os.pathsep}{folder}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop_when_it_says(job, log, pattern):
    """SIGTERM once the log of a run holds a pattern; the job has ended, and so has what it started."""
    deadline = time.monotonic() + 120
    while not log.exists() or not re.search(pattern, log.read_text()):
        assert job.poll() is None and time.monotonic() < deadline, job.stdout.read()
        time.sleep(0.1)
    started = psutil.Process(job.pid).children(recursive=True)
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 130
    assert started and not psutil.wait_procs(started, timeout=10)[1]


@pytest.mark.slow
@pytest.mark.distributed
def test_an_interrupted_run_is_gone_on_with(tmp_path):
    (tmp_path / "arms.toml").write_text(REAL)
    log = tmp_path / "out/runs/alone/seed_0/log.txt"
    for pattern in ("ms/step", r"resuming at step \d+\n(.*\n)*.*ms/step"):
        job = compare(tmp_path, tmp_path / "out", "--seeds=0", "--only=alone", "--extra=--steps=1000000", cold=True)
        stop_when_it_says(job, log, pattern)
    assert log.read_text().count("stopped on request") == 2


@pytest.mark.slow
@pytest.mark.distributed
def test_real_runs_and_their_report(tmp_path):
    """Three arms by two seeds, two runs at a time; one arm breaks, says so, and is tried again by the next call."""
    (tmp_path / "broken.py").write_text("def models(options, sample_shape):\n    raise ValueError('this breaks')\n")
    (tmp_path / "arms.toml").write_text(REAL + '[arms.broken]\nflags = ["--model=broken:models"]\n')
    job = compare(tmp_path, tmp_path / "out", "--seeds=0,1", "--jobs=2", "--scalar=gradient_norm/critic")
    said = job.communicate(timeout=300)[0]
    assert job.returncode == 2, said
    assert "4 of 6 runs done" in said and "error: 2 run(s) failed: broken, seed 0; broken, seed 1" in said
    assert said.count("broken, seed 1: failed, exit code 2: error: ") == 1
    table = (tmp_path / "out/table.md").read_text()
    assert table in said and "| two |" in table and "Not done: broken, seed 0; broken, seed 1." in table
    assert all((tmp_path / f"out/{name}.png").read_bytes().startswith(b"\x89PNG") for name in ("plot", "scalars"))
    (score,) = json.loads((tmp_path / "out/results.json").read_text())
    runs = score["runs"]
    assert score["best"] == "high" and all(run["scalars"]["gradient_norm/critic"] > 0 for run in runs)
    assert [(run["arm"], run["seed"]) for run in runs] == [("alone", 0), ("alone", 1), ("two", 0), ("two", 1)]
    assert all(run["steps"] == [20, 40] for run in runs)
    assert all((tmp_path / "out" / run["workdir"] / "config.flags").is_file() for run in runs)
    # To one neighbour once a step, 2 bytes each: MLPs 2-8-8-8-2 (24 + 72 + 72 + 18) and 2-8-8-8-1 (9 at the end).
    assert [run["bytes_a_step"] for run in runs] == [0, 0, *[2 * (186 + 177)] * 2]
    assert "| good samples at step 40 | to alone |" in table
    again = compare(tmp_path, tmp_path / "out", "--seeds=0", "--only=two", "--only=broken", "--reference=two")
    said = again.communicate(timeout=120)[0]
    assert "broken, seed 0: trying again, it had ended with: exit code 2: error: " in said
    assert "two, seed 0: done" not in said  # it was before
    assert "| good samples at step 40 | to two |" in said and "percents are of the mean of two." in said
