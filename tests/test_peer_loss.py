"""A learner that is killed or stopped in the middle of a real run: named in time, and the others may go on."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import psutil
import pytest
from conftest import ROOT, environment, horovodrun, python
from jobs import learners_of

pytestmark = [pytest.mark.distributed, pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("peer loss")]

TIMEOUT = 4
FLAGS = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=16", "--width_d=16", "--batch_size=16"),
    *("--critic_steps=1", "--log_every=5", "--eval_every=0", "--gossip_backend=native", f"--gossip_timeout={TIMEOUT}"),
]


class Job:
    """Learners under tests/outlive.sh each: horovodrun would end them all as soon as one process fails."""

    def __init__(self, folder, *flags, learners=3):
        self._log, self._seen = folder / "log", {}
        command = python("-m", "tfdgan.train", *FLAGS, f"--workdir={folder}/run", *flags, cold=False)
        with open(self._log, "w") as log:
            self._job = subprocess.Popen(
                horovodrun(learners, "sh", "tests/outlive.sh", *command),
                cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def terminate(self):
        """SIGTERM to the launcher."""
        self._job.terminate()

    def said(self):
        return self._log.read_text()

    def learners(self):
        """{rank: process} of the learners that run, also of those seen before that the launcher has left behind."""
        for process in learners_of(self._job):
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                caller = psutil.Process(int(process.name().removeprefix("call ")))
                self._seen[int(caller.environ()["HOROVOD_RANK"])] = process
        return {rank: process for rank, process in self._seen.items() if _runs(process)}

    def wait_for(self, text, seconds):
        """Seconds until the log holds a text (a pattern)."""
        begun = time.monotonic()
        while not re.search(text, self.said()):
            assert time.monotonic() - begun < seconds, f"no {text!r} in\n{self.said()[-3000:]}"
            time.sleep(0.05)
        return time.monotonic() - begun

    def hit(self, number, rank=2):
        """Send a signal to a learner in the middle of the run."""
        self.wait_for("ms/step", 120)
        self.learners()[rank].send_signal(number)

    def end(self):
        for process in self.learners().values():
            process.kill()
        try:
            self._job.wait(30)
        finally:
            if self._job.poll() is None:
                os.killpg(self._job.pid, signal.SIGKILL)
                self._job.wait()


def _runs(process):
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def start(tmp_path):
    jobs = []

    def run(*flags, learners=3):
        jobs.append(Job(tmp_path, *flags, learners=learners))
        return jobs[-1]

    yield run
    for job in jobs:
        job.end()


@pytest.mark.parametrize("number, why", [(signal.SIGKILL, "is gone"), (signal.SIGSTOP, "is late: no")])
def test_the_error_names_the_learner_within_the_timeout(number, why, start):
    """It is missed in a mix or, between mixes, at a tick."""
    job = start("--steps=1000000", "--topology=ring")
    job.hit(number)
    line = rf"fault: learner [01]: (gossip: |Horovod has ended, )learner 2 .*{why}.*; last good checkpoint: none was"
    assert job.wait_for(line, 30) < TIMEOUT + 3
    job.wait_for("learner ended with 1", 60)


@pytest.mark.parametrize(
    "number, mixing",
    [(signal.SIGKILL, ["--topology=ring", "--mix_delay=1"]), (signal.SIGSTOP, ["--topology=exponential"])],
)
def test_degraded_the_others_train_on(number, mixing, start, tmp_path):
    job = start("--steps=1500", "--on_peer_loss=degrade", *mixing, "--random_mixing")
    job.hit(number)
    lost = r"it (is gone|is late|cannot be reached)"  # the last of one that was stopped before somebody had to dial it
    job.wait_for(rf"step \d+: learner 2 is lost, {lost}.*; 2 go on", TIMEOUT + 20)
    job.wait_for(r"done: 1500 steps", 120)
    assert "fault" not in job.said()
    stopped = {2} if number == signal.SIGSTOP else set()
    deadline = time.monotonic() + 60
    while set(job.learners()) != stopped and time.monotonic() < deadline:
        time.sleep(0.2)
    assert set(job.learners()) == stopped  # the others have ended, whatever became of it
    manifest = json.loads((tmp_path / "run/checkpoints/00001500/manifest.json").read_text())
    assert (manifest["step"], manifest["learners"]) == (1500, 2)
    if number == signal.SIGSTOP:  # it wakes up, finds that it was given up, and ends itself
        job.learners()[2].send_signal(signal.SIGCONT)
        alone = "it is one of 1 that hear each other, of 3 learners that were last together"
        job.wait_for(
            rf"fault: learner 2: gossip: (the other learners have given this one up: {alone}|learner [01] )", 60
        )


def test_sigterm_reaches_learners_that_are_to_outlive_each_other(start):
    job = start("--steps=1000000", "--on_peer_loss=degrade", learners=2)
    job.wait_for("ms/step", 120)
    assert set(job.learners()) == {0, 1}
    job.terminate()
    job.wait_for(r"stopped on request at step \d+", 30)
    deadline = time.monotonic() + 30
    while job.learners() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not job.learners()
