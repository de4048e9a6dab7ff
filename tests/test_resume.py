"""Runs that are interrupted: bit-exact resuming, other numbers of learners, kill -9, signals, faults."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from conftest import ROOT, launch
from distributed.resume_runs import STRATEGIES, TINY

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


def train(learners, workdir, *flags, **options):
    return launch(learners, "-m", "tfdgan.train", *TINY, f"--workdir={workdir}", *flags, **options)


def stored(workdir, step):
    """{file: {name: bytes}} of every array of a checkpoint."""
    folder = workdir / "checkpoints" / f"{step:08d}"
    found = {}
    for file in sorted(folder.glob("*.npz")):
        with np.load(file) as arrays:
            found[file.name] = {name: (arrays[name].dtype.str, arrays[name].tobytes()) for name in arrays.files}
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """For each strategy a run of 20 steps and one of 10 steps that another job took to 20; one launch for each half."""
    folder = tmp_path_factory.mktemp("resume")
    for job in ("first", "second"):
        said = launch(4, "tests/distributed/resume_runs.py", job, folder).stdout
        assert said.count("resuming at step 10") == (0 if job == "first" else len(STRATEGIES))
    return folder


@pytest.mark.parametrize("name", STRATEGIES)
def test_n_plus_n_steps_equal_2n_bit_for_bit(name, finished):
    whole, halves = stored(finished / f"{name}-whole", 20), stored(finished / f"{name}-halves", 20)
    assert sorted(whole) == ["consensus.npz", *(f"learner_{rank:03d}.npz" for rank in range(4))]
    assert whole == halves
    assert whole != stored(finished / f"{name}-whole", 10)
    learners = [whole[f"learner_{rank:03d}.npz"]["model/critic/000.kernel"] for rank in range(4)]
    assert len(set(learners)) == (1 if name == "centralized" else 4)


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
    assert "resuming at step 10" in train(2, tmp_path, "--steps=20", "--checkpoint_every=10").stdout


def readable_checkpoints(workdir):
    """The steps with a manifest whose every file can be read in full."""
    good = []
    for manifest in sorted(workdir.glob("checkpoints/*/manifest.json")):
        json.loads(manifest.read_text())
        for file in manifest.parent.glob("*.npz"):
            assert zipfile.ZipFile(file).testzip() is None, file
        if len(list(manifest.parent.glob("learner_*.npz"))) == 2:
            good.append(int(manifest.parent.name))
    return good


def test_kill_9_around_saves_leaves_a_loadable_checkpoint(tmp_path):
    """20 kills: a job that saves every other step dies at a random instant; the next must go on from its best."""
    instants = random.Random(0)
    command = [
        *(
            os.path.join(os.path.dirname(sys.executable), "horovodrun"),
            "-np",
            "2",
            sys.executable,
            "-u",
            "-m",
            "tfdgan.train",
        ),
        *TINY,
        *(f"--workdir={tmp_path}", "--steps=1000000", "--checkpoint_every=2", "--width_g=256", "--width_d=256"),
    ]
    best = 0
    for _ in range(20):
        job = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = []
        for line in job.stdout:
            said.append(line)
            if "training 1000000 steps" in line or "resuming at step" in line:
                break
        else:
            raise AssertionError("".join(said[-20:]))
        if best:
            assert int(said[-1].split()[-1]) >= best, said[-1]
        # Wait for a new save, then for a random instant within the next ones.
        target = best
        deadline = time.monotonic() + 60
        while target <= best and time.monotonic() < deadline:
            target = max(readable_steps(tmp_path), default=0)
            time.sleep(0.01)
        time.sleep(instants.uniform(0, 0.5))
        for learner in learners_of(job):
            os.kill(learner, signal.SIGKILL)
        job.kill()
        job.wait()
        job.stdout.close()
        good = readable_checkpoints(tmp_path)
        assert good and good[-1] >= target > best
        best = good[-1]


def readable_steps(workdir):
    return [int(path.parent.name) for path in workdir.glob("checkpoints/*/manifest.json")]


def learners_of(job):
    """Process numbers of the job's Python learners."""
    import psutil

    children = psutil.Process(job.pid).children(recursive=True)
    return [child.pid for child in children if "tfdgan.train" in " ".join(child.cmdline())]


def test_sigterm_saves_and_ends_well(tmp_path):
    job = subprocess.Popen(
        [sys.executable, "-u", "-m", "tfdgan.train", *TINY, f"--workdir={tmp_path}", "--steps=1000000"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for line in job.stdout:
        if line.startswith("step "):
            break
    job.terminate()
    rest = job.stdout.read()
    assert job.wait() == 0 and "stopped on request at step" in rest, rest
    step = int(rest.split("stopped on request at step ")[1].split(";")[0])
    assert readable_steps(tmp_path) == [step]


def test_nan_names_step_learner_and_checkpoint(tmp_path):
    (tmp_path / "broken.py").write_text(
        "import os\nimport tensorflow as tf\n\n\ndef data():\n"
        "    rank = int(os.environ['HOROVOD_RANK'])\n"
        "    bad = 16 * 2 * 7  # the first sample of step 7\n"
        "    nan = float('nan')\n"
        "    return tf.data.Dataset.range(2 * 10_000).map(\n"
        "        lambda i: tf.where(i // 2 >= bad, nan if rank == 1 else 0.5, 0.5) * tf.ones([2]))\n"
    )
    done = train(
        2, tmp_path / "run", "--dataset=broken:data", "--steps=30", "--checkpoint_every=5", check=False, cwd=tmp_path
    )
    assert done.returncode != 0
    assert "fault: NaN or Inf in a loss or gradient" in done.stderr, done.stderr[-2000:]
    assert "on learner 1; last good checkpoint: " in done.stderr
    good = stored(tmp_path / "run", 5)
    assert good and all(
        np.isfinite(np.frombuffer(b, np.float32)).all() for t, b in good["learner_001.npz"].values() if t == "<f4"
    )
