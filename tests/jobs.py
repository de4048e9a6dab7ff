"""Jobs of learners that tests start, interrupt and look into."""

import contextlib
import json
import os
import pathlib
import subprocess
import time
import zipfile

import numpy as np
import psutil
import tensorflow as tf
from conftest import ROOT, WARM, environment, horovodrun, launch, python
from distributed.resume_runs import TINY
from tensorflow.core.util import event_pb2

from tfdgan.cli import flagfiles
from tfdgan.cli import workdir as workdirs
from tfdgan.cli.objects import make_trainer
from tfdgan.training.checkpoints import Checkpoints, arrays


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
    found = {process: command for process in everybody if _is_learner(command := _command(process))}
    callers = {f"call {process.pid}" for process, command in found.items() if WARM in command}
    if not callers:
        return list(found)
    # With its name, since others of the machine's processes end meanwhile.
    return [process for process in psutil.process_iter(["name"]) if process.info["name"] in callers]


def _command(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _is_learner(command):
    return "tfdgan.train" in command and os.path.basename(command[0]).startswith("python") and "-np" not in command


def start(learners, workdir, *flags):
    """Start a job that trains on and on in a session of its own; what it says is added to WORKDIR.log."""
    command = python("-m", "tfdgan.train", *TINY, f"--workdir={workdir}", "--steps=1000000", *flags, cold=False)
    if learners > 1:
        command = horovodrun(learners, *command, cold=False)
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


@contextlib.contextmanager
def running(learners, workdir, *flags):
    """A job as `start` starts it, which ends with the block at the latest."""
    job = start(learners, workdir, *flags)
    try:
        yield job
    finally:
        job.kill()
        job.wait()


def said(workdir):
    return pathlib.Path(f"{workdir}.log").read_text()


def wait_for_steps(job, workdir):
    """Wait until a job has said that it has taken steps."""
    deadline = time.monotonic() + 240
    while "ms/step" not in said(workdir) and time.monotonic() < deadline and job.poll() is None:
        time.sleep(0.1)


def load_newest(workdir, learners):
    """The newest committed step, after the package itself has loaded each learner's state and the consensus of it."""
    step = whole_checkpoints(workdir, learners)[-1]
    options = flagfiles.load(str(workdir))
    task, sampler, loaded = workdirs.load(str(workdir))
    assert loaded == step and np.isfinite(sampler.samples(4, seed=0)).all()
    trainer = make_trainer(options, task, *task.build_models((2,)), size=learners)
    states = []
    for rank in range(learners):
        checkpoints = Checkpoints(str(workdir), rank, learners, keep=1)
        checkpoints.load(step, trainer.state)
        states.append(arrays(trainer.state))
        # So many critic updates and one of the generator a step, through every kill.
        updates = [int(player.optimizer.iterations) for player in trainer.players]
        assert updates == [options.critic_steps * step, step]
    consensus = checkpoints.consensus(step)
    assert {name.rsplit("/", 1)[0] for name in consensus} == {"model/generator", "model/critic", "average/generator"}
    for name, mean in consensus.items():  # so no file is of another step than the others
        assert np.isfinite(mean).all()
        everyone = np.stack([state[name].astype(np.float64) for state in states])
        np.testing.assert_array_equal(everyone.mean(axis=0).astype(mean.dtype), mean)
    return step


def event_steps(folder, tag):
    """Ascending steps at which TensorBoard's files of a folder have a tag, each as often as it is there."""
    return sorted(step for step, _ in _events(folder, tag))


def event_pictures(folder, tag):
    """{step: (picture, uint8 [h, w, c]; its description)} of TensorBoard's files of a folder."""
    found = {}
    for step, value in _events(folder, tag):
        _, _, image = value.tensor.string_val  # after its width and its height
        found[step] = tf.io.decode_png(image).numpy(), value.metadata.summary_description
    return found


def _events(folder, tag):
    for path in sorted(folder.glob("*.tfevents.*"), key=os.path.getmtime):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            yield from ((event.step, value) for value in event.summary.value if value.tag == tag)
