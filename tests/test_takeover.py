"""Learner 0 dies where no disk is shared: the next one keeps the record in its own folder, and the job goes on."""

import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from conftest import ROOT, environment, python
from jobs import event_pictures, event_steps
from ports import free_port

from tfdgan.training import score_log

FLAGS = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=16", "--width_d=16", "--batch_size=16"),
    *("--critic_steps=1", "--log_every=5", "--eval_every=50", "--eval_samples=200", "--checkpoint_every=200"),
    *("--topology=ring", "--on_peer_loss=degrade", "--gossip_timeout=10", "--keep_checkpoints=2"),
]


class Learners:
    """Three learners with a folder each, who meet without a launcher."""

    def __init__(self, folder, steps):
        meeting = [f"--rendezvous=127.0.0.1:{free_port()}", "--learners=3", f"--steps={steps}"]
        self.workdirs = [folder / f"host{rank}" for rank in range(3)]
        self._logs = [folder / f"log{rank}" for rank in range(3)]
        self.jobs = []
        for rank in range(3):
            flags = [*FLAGS, *meeting, f"--learner={rank}", f"--workdir={self.workdirs[rank]}"]
            with open(self._logs[rank], "w") as log:
                command = python("-m", "tfdgan.train", *flags, cold=False)
                how = dict(cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                self.jobs.append(subprocess.Popen(command, **how))

    def said(self, rank):
        return self._logs[rank].read_text()

    def wait_for(self, text, rank, seconds=120):
        until = time.monotonic() + seconds
        while not re.search(text, self.said(rank)):
            assert time.monotonic() < until, f"no {text!r} in\n{self.said(rank)[-3000:]}"
            time.sleep(0.05)

    def end(self):
        for job in self.jobs:
            job.kill()
            job.wait()


@pytest.fixture
def start(tmp_path):
    started = []

    def run(steps):
        started.append(Learners(tmp_path, steps))
        return started[-1]

    yield run
    for learners in started:
        learners.end()


@pytest.mark.slow
@pytest.mark.distributed
def test_the_next_learner_keeps_the_record_in_its_own_folder(start):
    first = start(1000)
    first.wait_for("step 250: good samples", rank=0)
    first.jobs[0].send_signal(signal.SIGKILL)
    first.wait_for("done: 1000 steps", rank=1)
    assert [job.wait(30) for job in first.jobs[1:]] == [0, 0], first.said(2)
    home = first.workdirs[1]
    assert re.search(r"step \d+: learner 0 is lost, it is gone.*; 2 go on", first.said(1)) and not first.said(2)
    scores = [json.loads(line) for line in (home / "scores.jsonl").read_text().splitlines()]
    assert [score["step"] for score in scores] == [step for step in range(50, 1001, 50) for _ in range(2)]
    ticks = event_steps(home / "tensorboard", "loss/critic")  # those before are on learner 0's host
    assert ticks == list(range(ticks[0], 1001, 5)) and 200 < ticks[0] <= 305
    theirs = event_steps(first.workdirs[0] / "tensorboard", "loss/critic")
    assert set(theirs) | set(ticks) == set(range(5, 1001, 5))
    pictures = event_pictures(home / "tensorboard", "learners")
    assert [step for step in pictures if step > 350] == list(range(400, 1001, 50))
    picture, said = pictures[1000]
    assert "consensus EMA, learner 0, learner 1, learner 2;" in said and picture.shape == (164, 4 * 164 + 6, 1)
    consensus, *learners = np.split(np.delete(picture, range(164, 170), axis=1), 4, axis=1)
    assert (learners[0] == 96).all()  # who is lost
    assert all((panel[:160, :160] < 96).any() for panel in (consensus, *learners[1:]))
    manifest = json.loads((home / "checkpoints/00001000/manifest.json").read_text())
    assert manifest["learners"] == 2
    assert sorted(manifest["sha256"]) == ["consensus.npz", "learner_001.npz", "learner_002.npz"]

    again = start(1100)  # all three: the newest consensus is on learner 1's host
    again.wait_for("done: 1100 steps", rank=0)
    assert [job.wait(30) for job in again.jobs] == [0, 0, 0]
    scores = [json.loads(line) for line in (again.workdirs[0] / "scores.jsonl").read_text().splitlines()]
    assert [score["step"] for score in scores] == [step for step in range(50, 1101, 50) for _ in range(2)]
    assert "starting at step 1000 from the consensus" in again.said(0)
    assert (again.workdirs[0] / "checkpoints/00001100/manifest.json").exists()
    assert not (again.workdirs[1] / "checkpoints/00001100/manifest.json").exists()


def test_a_log_is_completed_with_what_others_know(tmp_path):
    ours = [dict(step=step, name="FD", value=float(step), seconds=float(step)) for step in (1, 2, 3)]
    by_hand, lost = dict(step=2, name="FD", value=7.0), dict(step=4, name="FD", value=4.0, seconds=4.0)
    score_log.add(str(tmp_path), [ours[0], by_hand, lost])
    score_log.complete(str(tmp_path), ours)
    assert score_log.read(str(tmp_path)) == [ours[0], by_hand, *ours[1:]]  # nobody else knows of the last
    before = (tmp_path / "scores.jsonl").stat().st_ino
    score_log.complete(str(tmp_path), ours)
    assert (tmp_path / "scores.jsonl").stat().st_ino == before
