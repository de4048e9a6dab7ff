"""Learners that die, hang and come back in a real run, each under its supervisor; nothing of the run is lost."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from conftest import ROOT, environment, horovodrun, python, warm_server
from jobs import event_steps
from ports import free_port

pytestmark = [pytest.mark.distributed, pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("peer loss")]

FLAGS = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=16", "--width_d=16", "--batch_size=16"),
    *("--critic_steps=1", "--log_every=20", "--eval_every=200", "--eval_samples=200", "--checkpoint_every=1000"),
    *("--topology=ring", "--gossip_timeout=15", "--steps=1000000", "--keep_checkpoints=2"),
]


class Job:
    """Three learners under horovodrun, each under its supervisor."""

    def __init__(self, folder):
        self._log, self.workdir = folder / "log", folder / "run"
        # Supervisors start warm learners, or loading TensorFlow would be most of this test.
        warm = ["-m", "tests.warm", warm_server()]
        learner = [*warm, "-m", "tfdgan.train", *FLAGS, f"--workdir={self.workdir}"]
        command = python("-m", "tfdgan.supervise", *learner, cold=True)
        with open(self._log, "w") as log:
            self.launcher = subprocess.Popen(
                horovodrun(3, *command), cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def said(self):
        return self._log.read_text()

    def told(self):
        """What was said, without the figures of each tick and each score."""
        figures = re.compile(r"ms/step|modes found|good samples|I0000|WARNING: All log")
        return "\n".join(line for line in self.said().splitlines() if not figures.search(line))[-30000:]

    def wait_for(self, text, seconds=180, after=0):
        """The first match in what is said from the character `after` on."""
        until = time.monotonic() + seconds
        while not (found := re.search(text, self.said()[after:])):
            if time.monotonic() > until:
                for learner in self.learners().values():
                    with contextlib.suppress(psutil.Error):
                        learner.send_signal(signal.SIGUSR1)
                time.sleep(2)  # until they have written their stacks
                pytest.fail("\n".join([f"no {text!r} in", self.told(), self.said()[-2000:]]))
            assert self.launcher.poll() is None, self.told()
            time.sleep(0.05)
        return found

    def learners(self):
        """{rank: process} of the learners that run; neither supervisors nor who calls for a warm one is among them."""
        names, processes = {}, list(psutil.process_iter())
        for process in processes:
            with contextlib.suppress(psutil.Error):
                command, variables = process.cmdline(), process.environ()
                if "tests.warm" in command and f"--workdir={self.workdir}" in command:
                    if "tfdgan.supervise" not in command and "HOROVOD_RANK" in variables:
                        names[f"call {process.pid}"] = int(variables["HOROVOD_RANK"])
        return {names[process.name()]: process for process in processes if process.name() in names}

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.launcher.pid, signal.SIGKILL)
        for process in self.learners().values():
            process.kill()
        self.launcher.wait()


@pytest.fixture
def job(tmp_path):
    started = Job(tmp_path)
    yield started
    started.end()


def test_learners_come_back_and_the_record_has_no_gap(job):
    job.wait_for(r"step 400: good samples")
    begun = len(job.said())
    job.learners()[2].kill()
    job.wait_for(r"step \d+: learner 2 is lost, it is gone .*; 2 go on", after=begun)
    job.wait_for(r"step \d+: learner 2 on \S+ is back; 3 go on", after=begun)

    # Most of them at once, the writer too: who has ended is on no side of a split. Learner 2 writes until 0 is back.
    killed = len(job.said())
    for rank in (0, 1):
        job.learners()[rank].kill()
    job.wait_for(r"step \d+: learner 0 is lost, it is gone .*; [12] go on", after=killed)
    job.wait_for(r"step \d+: learner 1 is lost, it is gone .*; 1 go on", after=killed)
    came = int(job.wait_for(r"step (\d+): learner [01] on \S+ is back; 3 go on", after=killed)[1])
    job.wait_for(rf"step {came + 400 - came % 200}: good samples", after=killed)

    # A stop that is shorter than the timeout is waited for; nobody is lost.
    stopped, hung = len(job.said()), job.learners()[1]
    hung.send_signal(signal.SIGSTOP)
    time.sleep(5)
    begun = len(job.said())
    hung.send_signal(signal.SIGCONT)
    job.wait_for(r"step \d+: good samples", after=begun)
    assert "is lost" not in job.said()[stopped:], job.told()

    stopped = len(job.said())
    hung.send_signal(signal.SIGSTOP)
    job.wait_for(r"learner 1 is lost, it (is late|cannot be reached).*; 2 go on", after=stopped)
    hung.send_signal(signal.SIGCONT)  # it finds that it was given up, ends, and its supervisor starts it anew
    came = int(job.wait_for(r"step (\d+): learner 1 on \S+ is back; 3 go on", after=stopped)[1])
    job.wait_for(rf"step {came + 400 - came % 200}: good samples", after=stopped)

    learners = job.learners()
    learners[1].send_signal(signal.SIGTERM)
    last = int(job.wait_for(r"stopped on request at step (\d+)", 30)[1])
    assert job.launcher.wait(60) == 0, job.said()[-3000:]
    assert not job.learners() and "error:" not in job.said()

    workdir = job.workdir
    scores = [json.loads(line) for line in (workdir / "scores.jsonl").read_text().splitlines()]
    names = "modes found of 25", "good samples"
    assert [(s["step"], s["name"]) for s in scores] == [(n, name) for n in range(200, last + 1, 200) for name in names]
    for tag, every in (("loss/critic", 20), ("score/good samples", 200)):
        assert event_steps(workdir / "tensorboard", tag) == list(range(every, last + 1, every)), tag
    folder = workdir / f"checkpoints/{last:08d}"
    assert json.loads((folder / "manifest.json").read_text())["learners"] == 3
    shards = [np.load(folder / f"learner_{rank:03d}.npz") for rank in range(3)]
    mean = np.load(folder / "consensus.npz")
    for name in (name for name in mean.files if name.startswith("model/")):
        np.testing.assert_allclose(mean[name], np.mean([shard[name] for shard in shards], 0), atol=1e-5)
        assert np.ptp([shard[name] for shard in shards], axis=0).max() < 1, name  # they learn together
    assert not (workdir / "roster.key").exists()
    assert json.loads((workdir / "roster.json").read_text())["over"] == f"the job was stopped at step {last}"


def test_a_place_is_taken_by_a_process_that_nobody_supervised(tmp_path):
    """From anywhere, by the address of a lobby and the key; what it is given has to be the job's."""
    key = tmp_path / "key"
    key.write_text("5" * 64)
    key.chmod(0o600)
    port, listen = free_port(), free_port(3)
    flags = [*FLAGS, "--on_peer_loss=degrade", f"--wire_key_file={key}", "--wire_security=encrypted"]

    def begin(*more, log):
        with open(tmp_path / log, "w") as file:
            return subprocess.Popen(
                python("-m", "tfdgan.train", *flags, *more, cold=False), cwd=ROOT, env=environment(),
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip

    def wait_for(text, log, seconds=180):
        until = time.monotonic() + seconds
        while not re.search(text, (tmp_path / log).read_text()):
            ended = [job.poll() for job in jobs]
            assert time.monotonic() < until, f"{ended} {(tmp_path / log).read_text()[-3000:]}"
            time.sleep(0.05)

    def first(rank):
        place = [f"--rendezvous=127.0.0.1:{port}", "--learners=2", f"--learner={rank}", f"--workdir={tmp_path}/{rank}"]
        return begin(*place, *([f"--gossip_listen=127.0.0.1:{listen}"] if rank == 0 else []), log=f"log{rank}")

    jobs = [first(0), first(1)]
    try:
        wait_for("step 200: good samples", "log0")
        jobs[1].kill()
        wait_for("learner 1 is lost", "log0")
        lobby = f"--join=127.0.0.1:{listen + 2}"  # after the ports of this host's exchange
        jobs.append(begin(lobby, f"--workdir={tmp_path}/host2", "--learning_rate_g=0.5", log="wrong"))
        assert jobs[2].wait(120) == 2
        said = (tmp_path / "wrong").read_text()
        assert re.search(
            r"error: --join=.*: the job has other flags .*: learning_rate_g: \S+ -> 0.5; give the same", said
        )
        jobs.append(begin(lobby, f"--workdir={tmp_path}/host2", log="other"))
        wait_for(r"learner 1 joins the job at step \d+; 1 are there", "other")
        wait_for(r"step \d+: learner 1 on \S+ is back; 2 go on", "log0")
        wait_for("learner 1 is in after step", "other")
        assert (tmp_path / "host2/roster.key").stat().st_mode & 0o777 == 0o600
        jobs[0].send_signal(signal.SIGTERM)
        assert jobs[0].wait(60) == jobs[3].wait(60) == 0
    finally:
        for process in jobs:
            process.kill()
            process.wait()
