"""Runs that are taken up again: bit-exact, by other numbers of learners, after lost files."""

import json
import os
import shutil

import numpy as np
import pytest
from conftest import launch
from distributed.resume_runs import LARGE_RUNS, MORE_RUNS, REAL_DATA, RUNS, SHORT
from jobs import stored, train

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


def whole_and_halved(learners, folder, names, *, cold=True, **variables):
    """Of each run one of 20 steps and one of 10 steps that another job took to 20; one launch for each half.

    If `cold`, the second job starts without a warm Python: it does not even hash texts as the first did. Both optimize
    the graphs that they trace or neither does (TFDGAN_TEST_GRAPHS).
    """
    for job in ("first", "second"):
        how = dict(cold=cold and job == "second", **variables)
        done = launch(learners, "tests/distributed/resume_runs.py", job, folder, *names, **how)
        assert done.stdout.count("resuming at step 10") == (0 if job == "first" else len(names))
        for name in set(names).difference(SHORT) if job == "first" else ():
            shutil.copytree(folder / f"{name}-whole", folder / f"{name}-halves")
            shutil.rmtree(folder / f"{name}-halves/checkpoints/00000020")


def check_halves(folder, name, learners):
    """Every array of the last checkpoint is the same, byte for byte; returns them, and it is not the first half's."""
    whole, halves = stored(folder / f"{name}-whole", 20), stored(folder / f"{name}-halves", 20)
    assert sorted(whole) == ["consensus.npz", *(f"learner_{rank:03d}.npz" for rank in range(learners))]
    assert whole == halves
    assert whole != stored(folder / f"{name}-whole", 10)
    return whole


def weights_of(arrays, group):
    return {name: value for name, value in arrays.items() if name.startswith(group)}


@pytest.fixture(scope="module")
def by_four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    whole_and_halved(4, folder, RUNS, cold=False, TFDGAN_TEST_GRAPHS="optimized")
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_n_plus_n_steps_equal_2n_bit_for_bit(name, by_four):
    whole = check_halves(by_four, name, 4)
    assert len({whole[f"learner_{rank:03d}.npz"]["model/critic/000.kernel"] for rank in range(4)}) == 4


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("two"), os.environ.get("TFDGAN_TEST_DATA")
    whole_and_halved(2, folder, MORE_RUNS, TFDS_DATA_DIR=f"{data}/tfds", TFDGAN_TEST_GRAPHS="optimized")
    return folder


@pytest.mark.parametrize("name", MORE_RUNS)
def test_other_runs_resume_bit_for_bit(name, by_two):
    whole = check_halves(by_two, name, 2)
    states = [array for array in whole["learner_000.npz"] if "seed" in array]
    assert bool(states) == (name == "text")
    critics = [weights_of(whole[f"learner_{rank:03d}.npz"], "model/critic/") for rank in range(2)]
    # Two learners that mix half and half what they have made are equal after it.
    assert (critics[0] == critics[1]) == (name in ("centralized", "combined"))
    batch_norm = [array for array in whole["learner_000.npz"] if "moving_variance" in array]
    assert bool(batch_norm) == (name == "centralized")
    for state in (*states, *batch_norm):  # each learner draws its own samples
        assert whole["learner_000.npz"][state] != whole["learner_001.npz"][state]


@pytest.fixture(scope="module")
def by_one(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("one"), os.environ.get("TFDGAN_TEST_DATA")
    whole_and_halved(0, folder, LARGE_RUNS, TFDS_DATA_DIR=f"{data}/tfds")
    return folder


@pytest.mark.parametrize("name", LARGE_RUNS)
def test_large_runs_resume_bit_for_bit(name, by_one):
    whole = check_halves(by_one, name, 1)
    assert any("moving_variance" in array for array in whole["consensus.npz"]) == (name != "styles")
    assert any("seed" in array for array in whole["learner_000.npz"]) == (name != "conditional")


@pytest.mark.data
def test_runs_on_tfds_records_resume_bit_for_bit(data_folder, by_one, by_two):
    """Which runs they were: other tests compare their halves."""
    for name in REAL_DATA:
        folder, learners = (by_one, 1) if name in LARGE_RUNS else (by_two, 2)
        assert "--dataset=cifar10" in (folder / f"{name}-halves/config.flags").read_text().splitlines()
        check_halves(folder, name, learners)
    manifest = by_one / "conditional-halves/checkpoints/00000020/manifest.json"
    assert json.loads(manifest.read_text())["classes"] == 10


def test_other_number_of_learners_starts_from_the_consensus(tmp_path):
    train(2, tmp_path, "--steps=10")
    step_10 = stored(tmp_path, 10)["consensus.npz"]
    done = train(0, tmp_path, "--steps=11", "--learning_rate_g=1e-30", "--learning_rate_d=1e-30", check=False)
    assert done.returncode == 2 and "learning_rate_d: 0.0001 -> 1e-30" in done.stderr
    done = train(0, tmp_path, "--steps=12")
    assert "starting at step 10 from the consensus" in done.stdout
    manifest = json.loads((tmp_path / "checkpoints/00000012/manifest.json").read_text())
    assert (manifest["step"], manifest["learners"]) == (12, 1)
    # Two small steps from the mean over the two learners.
    start = np.frombuffer(step_10["model/critic/000.kernel"][1], np.float32)
    end = np.frombuffer(stored(tmp_path, 12)["consensus.npz"]["model/critic/000.kernel"][1], np.float32)
    assert 0 < np.abs(end - start).max() < 4 * 3 * 1e-4


def test_a_lost_shard_takes_everybody_back(tmp_path):
    train(2, tmp_path, "--steps=20", "--checkpoint_every=10")
    (tmp_path / "checkpoints/00000020/learner_001.npz").unlink()
    said = train(2, tmp_path, "--steps=20", "--checkpoint_every=10").stdout
    assert "resuming at step 10" in said and "00000020/learner_001.npz: is missing" in said


def test_scores_of_a_resumed_run_are_those_of_one_run(tmp_path):
    flags = ("--eval_every=5", "--checkpoint_every=10", "--steps=20")
    train(0, tmp_path, *flags)
    path = tmp_path / "scores.jsonl"
    whole = [json.loads(line) for line in path.read_text().splitlines()]
    assert [score["step"] for score in whole] == [5, 5, 10, 10, 15, 15, 20, 20]  # modes found, good samples
    by_hand = {**whole[3], "name": "another"}  # as `evaluate` adds it
    del by_hand["seconds"]
    with open(path, "a") as file:
        file.write(json.dumps(by_hand) + "\n" + json.dumps(whole[0])[:30])  # and half a line
    shutil.rmtree(tmp_path / "checkpoints/00000020")
    assert "resuming at step 10" in train(0, tmp_path, *flags).stdout
    halves = [json.loads(line) for line in path.read_text().splitlines()]
    assert halves[:5] == [*whole[:4], by_hand]
    for ours, theirs in zip(whole[4:], halves[5:], strict=True):
        assert {**ours, "seconds": None} == {**theirs, "seconds": None}
    seconds = [score["seconds"] for score in [*halves[:4], *halves[5:]]]
    assert seconds == sorted(seconds) and seconds[4] > seconds[3] > 0
    # A run that is killed between a checkpoint and its scores makes them when it goes on.
    picture = tmp_path / "samples/00000020.png"
    kept = picture.read_bytes()
    picture.write_bytes(b"")  # written before the scores
    path.write_text("".join(json.dumps(score) + "\n" for score in halves[:-2]))
    assert "step 20: good samples" in train(0, tmp_path, *flags).stdout
    again = [json.loads(line) for line in path.read_text().splitlines()]
    assert [{**score, "seconds": None} for score in again] == [{**score, "seconds": None} for score in halves]
    assert picture.read_bytes() == kept
    assert "step 20: good samples" not in train(0, tmp_path, *flags).stdout
