"""Runs that are interrupted: bit-exact resuming, other numbers of learners, kill -9, signals, faults."""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import zipfile

import numpy as np
import psutil
import pytest
from conftest import ROOT, WARM, environment, horovodrun, launch, python
from distributed.resume_runs import MORE_RUNS, REAL_DATA_RUNS, RUNS, SHORT, TINY

from tfdgan import config as configuration
from tfdgan import trained
from tfdgan.training.adversarial import AdversarialTrainer
from tfdgan.training.checkpoints import Checkpoints, arrays
from tfdgan.training.noise import Noise

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


def whole_and_halved(learners, folder, names, **variables):
    """Of each run one of 20 steps and one of 10 steps that another job took to 20; one launch for each half.

    The second is cold: its learners do not even hash alike.
    """
    for job in ("first", "second"):
        cold = job == "second"
        done = launch(learners, "tests/distributed/resume_runs.py", job, folder, *names, cold=cold, **variables)
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


@pytest.fixture(scope="module")
def by_four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    whole_and_halved(4, folder, RUNS)
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_n_plus_n_steps_equal_2n_bit_for_bit(name, by_four):
    whole = check_halves(by_four, name, 4)
    kernels = {whole[f"learner_{rank:03d}.npz"]["model/critic/000.kernel"] for rank in range(4)}
    assert len(kernels) == (1 if name == "centralized" else 4)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("two"), os.environ.get("TFDGAN_TEST_DATA")
    names = [*MORE_RUNS, *(REAL_DATA_RUNS if data else ())]
    whole_and_halved(2, folder, names, TFDS_DATA_DIR=f"{data}/tfds")
    return folder


@pytest.mark.parametrize("name", MORE_RUNS)
def test_other_runs_resume_bit_for_bit(name, by_two):
    whole = check_halves(by_two, name, 2)
    assert any("moving_variance" in array for array in whole["consensus.npz"]) == (
        name in ("batch_norm", "conditional", "dropout")
    )
    states = [array for array in whole["learner_000.npz"] if "seed" in array]
    assert bool(states) == (name == "dropout")
    for state in states:  # each learner draws its own
        assert whole["learner_000.npz"][state] != whole["learner_001.npz"][state]


@pytest.mark.data
@pytest.mark.parametrize("name", REAL_DATA_RUNS)
def test_a_run_on_tfds_records_resumes_bit_for_bit(name, data_folder, by_two):
    check_halves(by_two, name, 2)


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
    assert "resuming at step 10" in said and "00000020 was passed over" in said


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


def whole_checkpoints(workdir, learners):
    """The committed steps; every file of each must be there and readable to its last byte."""
    steps = []
    for manifest in sorted(workdir.glob("checkpoints/*/manifest.json")):
        assert json.loads(manifest.read_text())["learners"] == learners
        files = sorted(manifest.parent.glob("*.npz"))
        assert [file.name for file in files] == ["consensus.npz", *(f"learner_{r:03d}.npz" for r in range(learners))]
        assert all(zipfile.ZipFile(file).testzip() is None for file in files)
        steps.append(int(manifest.parent.name))
    return steps


def committed(workdir):
    return [int(path.parent.name) for path in workdir.glob("checkpoints/*/manifest.json")]


def learners_of(job):
    """The job's learners, processes: itself included if there is no launcher."""
    everybody = [psutil.Process(job.pid), *psutil.Process(job.pid).children(recursive=True)]
    found = [process for process in everybody if _is_learner(process.cmdline())]
    callers = {f"call {process.pid}" for process in found if WARM in process.cmdline()}
    return [process for process in psutil.process_iter() if process.name() in callers] if callers else found


def _is_learner(command):
    return "tfdgan.train" in command and os.path.basename(command[0]).startswith("python") and "-np" not in command


_LOADING = threading.Lock()  # Keras builds models under process-wide settings
WIDE = ("--width_g=128", "--width_d=128")


def start(learners, workdir, *flags, cold=True):
    """Start a job that trains on and on in a session of its own; what it says is added to WORKDIR.log."""
    command = python("-m", "tfdgan.train", *TINY, f"--workdir={workdir}", "--steps=1000000", *flags, cold=cold)
    if learners > 1:
        command = horovodrun(learners, *command)
    with open(f"{workdir}.log", "a") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def said(workdir):
    return pathlib.Path(f"{workdir}.log").read_text()


def wait_for_steps(job, workdir):
    """Wait until a job has said that it has taken steps."""
    deadline = time.monotonic() + 240
    while "ms/step" not in said(workdir) and time.monotonic() < deadline and job.poll() is None:
        time.sleep(0.1)


def kill_while_saving(workdir, learners, delay):
    """Start a job that saves at every step, kill -9 its learners `delay` seconds after its second new save."""
    before = max(committed(workdir), default=0)
    job = start(learners, workdir, *WIDE, "--checkpoint_every=1", cold=False)
    deadline = time.monotonic() + 240
    while max(committed(workdir), default=0) < before + 2 and time.monotonic() < deadline and job.poll() is None:
        time.sleep(0.005)
    running = learners_of(job)
    time.sleep(delay)
    reached = max(committed(workdir), default=0)
    assert reached >= before + 2, said(workdir)[-3000:]
    assert len(running) == learners
    for learner in running:
        learner.kill()
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    psutil.wait_procs(running)
    return reached


def load_newest(workdir, learners):
    """The newest committed step, after the package itself has loaded each learner's state and the consensus of it."""
    step = whole_checkpoints(workdir, learners)[-1]
    config = configuration.load(str(workdir))
    task, sampler, loaded = trained.load(str(workdir))
    assert loaded == step and np.isfinite(sampler.samples(4, seed=0)).all()
    trainer = AdversarialTrainer(*task.build_models((2,)), config, Noise(config.seed, 0), learners)
    states = []
    for rank in range(learners):
        checkpoints = Checkpoints(str(workdir), rank, learners, keep=1)
        checkpoints.load(step, trainer.state)
        states.append(arrays(trainer.state))
        # Two critic updates and one of the generator a step, through every kill.
        assert [int(player.optimizer.iterations) for player in trainer.players] == [2 * step, step]
    consensus = checkpoints.consensus(step)
    assert {name.rsplit("/", 1)[0] for name in consensus} == {"model/generator", "model/critic", "average/generator"}
    for name, mean in consensus.items():  # so no file is of another step than the others
        assert np.isfinite(mean).all()
        everyone = np.stack([state[name].astype(np.float64) for state in states])
        np.testing.assert_array_equal(everyone.mean(axis=0).astype(mean.dtype), mean)
    return step


@pytest.mark.parametrize("learners, kills", [(1, [7, 7]), (2, [6])], ids=["alone", "together"])
def test_kill_9_at_20_random_instants_leaves_a_loadable_checkpoint(learners, kills, tmp_path):
    """Jobs of one learner, which has one core, side by side."""
    with concurrent.futures.ThreadPoolExecutor(len(kills)) as pool:
        jobs = [
            pool.submit(kill_again_and_again, learners, count, tmp_path / f"run{index}", seed=10 * learners + index)
            for index, count in enumerate(kills)
        ]
        for job in jobs:
            job.result()


def kill_again_and_again(learners, kills, workdir, seed):
    """Each job goes on from the checkpoint that the kill before it left."""
    random_delay, kept = random.Random(seed), []
    for _ in range(kills):
        reached = kill_while_saving(workdir, learners, random_delay.uniform(0, 0.3))
        with _LOADING:
            kept.append(load_newest(workdir, learners))
        assert kept[-1] >= reached
    assert [int(step) for step in re.findall(r"resuming at step (\d+)", said(workdir))] == kept[:-1]
    done = train(learners if learners > 1 else 0, workdir, *WIDE, f"--steps={kept[-1] + 1}")
    assert f"resuming at step {kept[-1]}" in done.stdout
    assert load_newest(workdir, learners) == kept[-1] + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_process_saves_and_ends_well(number, tmp_path):
    workdir = tmp_path / "run"
    job = start(1, workdir)
    wait_for_steps(job, workdir)
    job.send_signal(number)
    assert job.wait(timeout=120) == 0, said(workdir)[-3000:]
    (step,) = re.findall(r"stopped on request at step (\d+); the same command goes on from there", said(workdir))
    assert committed(workdir) == [int(step)] and load_newest(workdir, 1) == int(step)


def test_one_learners_sigterm_stops_all_at_one_step(tmp_path):
    workdir = tmp_path / "run"
    job = start(2, workdir)
    wait_for_steps(job, workdir)
    learners_of(job)[-1].terminate()
    assert job.wait(timeout=120) == 0, said(workdir)[-3000:]
    (step,) = re.findall(r"stopped on request at step (\d+)", said(workdir))
    assert committed(workdir) == [int(step)] and load_newest(workdir, 2) == int(step)


def test_sigterm_to_the_launcher_saves(tmp_path):
    """horovodrun passes the signal on and kills after 5 seconds, which is enough at a tick a step."""
    workdir = tmp_path / "run"
    job = start(2, workdir, "--log_every=1")
    wait_for_steps(job, workdir)
    job.terminate()
    job.wait(timeout=120)  # with 0, unless a busy machine takes longer than those 5 seconds
    (step,) = re.findall(r"stopped on request at step (\d+)", said(workdir))
    assert committed(workdir) == [int(step)] and load_newest(workdir, 2) == int(step)


BROKEN = """
import os
import keras
from tfdgan.models import mlp


class BreaksAtStep7(keras.layers.Layer):
    # 7 calls a step (2 real, 2 fake and 2 interpolated batches, the generator's) after up to 3 when it is built.
    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        bad = (self.calls > 7 * 7 + 3) & (os.environ["HOROVOD_RANK"] == "1")
        return x * keras.ops.where(bad, float("nan"), 1.0)


def models(config, sample_shape):
    generator, critic = mlp.build(config, sample_shape)
    return generator, keras.Sequential([*critic.layers, BreaksAtStep7()])
"""


def test_nan_names_step_learner_and_checkpoint(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    flags = ("--model=broken:models", "--steps=30", "--checkpoint_every=5")
    done = train(2, tmp_path / "run", *flags, check=False, PYTHONPATH=path)
    assert done.returncode != 0
    folder = tmp_path / "run" / "checkpoints"
    fault = f"fault: NaN or Inf in a loss or gradient at step 7 on learner 1; last good checkpoint: {folder}/00000005"
    assert fault in done.stderr, done.stderr[-3000:]
    for types_and_bytes in stored(tmp_path / "run", 5).values():
        for kind, raw in types_and_bytes.values():
            assert kind != "<f4" or np.isfinite(np.frombuffer(raw, np.float32)).all()
