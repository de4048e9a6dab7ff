"""Runs that are asked to stop, or that break."""

import os
import re
import signal

import numpy as np
import pytest
from conftest import ROOT
from jobs import committed, learners_of, load_newest, said, start, stored, train, wait_for_steps

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_process_saves_and_ends_well(number, tmp_path):
    workdir = tmp_path / "run"
    job = start(1, workdir)
    wait_for_steps(job, workdir)
    job.send_signal(number)
    assert job.wait(timeout=120) == 0, said(workdir)[-3000:]
    (step,) = re.findall(r"stopped on request at step (\d+); the same command goes on from there", said(workdir))
    assert committed(workdir) == [int(step)] and load_newest(workdir, 1) == int(step)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_one_learner_stops_all_at_one_step(number, tmp_path):
    workdir = tmp_path / "run"
    job = start(2, workdir)
    wait_for_steps(job, workdir)
    learners_of(job)[-1].send_signal(signal.SIGUSR1)  # it says where it stands, and goes on
    learners_of(job)[-1].send_signal(number)
    assert job.wait(timeout=120) == 0, said(workdir)[-3000:]
    assert re.search(r"Current thread 0x\w+ \(most recent call first\):\s.*File ", said(workdir)), said(workdir)[-3000:]
    (step,) = re.findall(r"stopped on request at step (\d+)", said(workdir))
    assert committed(workdir) == [int(step)] and load_newest(workdir, 2) == int(step)


def test_sigterm_to_the_launcher_saves(tmp_path):
    """It passes the signal on; learners have a minute."""
    workdir = tmp_path / "run"
    job = start(2, workdir, "--log_every=1")
    wait_for_steps(job, workdir)
    job.terminate()
    assert job.wait(timeout=120) == 0, said(workdir)[-3000:]
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
        last = int(os.environ.get("LAST_BAD", "1000000"))
        bad = (self.calls > 7 * 7 + 3) & (self.calls < last) & (os.environ["HOROVOD_RANK"] == "1")
        return x * keras.ops.where(bad, float("nan"), 1.0)


def models(options, sample_shape):
    sizes = dict(latent_size=options.latent_size, width_g=options.width_g, width_d=options.width_d)
    generator, critic = mlp.build(sample_shape, **sizes)
    return generator, keras.Sequential([*critic.layers, BreaksAtStep7()])
"""


def test_nan_names_step_learner_and_checkpoint(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    flags = ("--model=broken:models", "--steps=30", "--checkpoint_every=5", "--gradient_penalty=10")
    done = train(2, tmp_path / "run", *flags, "--max_resets=0", check=False, PYTHONPATH=path)
    assert done.returncode != 0
    folder = tmp_path / "run" / "checkpoints"
    fault = f"fault: NaN or Inf in a loss or gradient at step 7 on learner 1; last good checkpoint: {folder}/00000005"
    assert fault in done.stderr, done.stderr[-3000:]
    for types_and_bytes in stored(tmp_path / "run", 5).values():
        for kind, raw in types_and_bytes.values():
            assert kind != "<f4" or np.isfinite(np.frombuffer(raw, np.float32)).all()


def test_a_learner_with_nan_is_set_back_from_the_others(tmp_path):
    """Once, where NaN passes; as often as is allowed, where it does not."""
    (tmp_path / "broken.py").write_text(BROKEN)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    flags = (
        "--model=broken:models",
        "--steps=40",
        "--checkpoint_every=5",
        "--gradient_penalty=10",
        "--keep_checkpoints=9",
    )
    said = train(2, tmp_path / "passes", *flags, PYTHONPATH=path, LAST_BAD=str(7 * 9)).stdout
    line = "warning: NaN or Inf in a loss or gradient at step 7 on learner 1: set back at step 10 to "
    line += "the mean of the others"
    assert f"{line}, 1 of at most 3 times" in said and said.count("set back") == 1 and "done: 40 steps" in said
    at_10 = stored(tmp_path / "passes", 10)
    zero, one = (at_10[f"learner_00{rank}.npz"] for rank in (0, 1))
    kernel = next(name for name in zero if name.startswith("model/generator") and name.endswith("kernel"))
    assert zero[kernel] == one[kernel]  # of one other learner the mean is the learner
    for types_and_bytes in stored(tmp_path / "passes", 40).values():
        for kind, raw in types_and_bytes.values():
            assert kind != "<f4" or np.isfinite(np.frombuffer(raw, np.float32)).all()

    done = train(2, tmp_path / "stays", *flags, "--max_resets=2", check=False, PYTHONPATH=path)
    assert done.returncode != 0 and done.stdout.count("set back") == 2
    fault = r"fault: NaN or Inf in a loss or gradient at step \d+ on learner 1, after 2 resets; last good checkpoint: "
    assert re.search(fault + f"{tmp_path}/stays/checkpoints/000000(15|20)", done.stderr), done.stderr[-3000:]
