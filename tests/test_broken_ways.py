"""Ways between learners that break, or were never there, in networks of their own: who is named, what goes on."""

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from conftest import ROOT, environment

from tools.network import namespaces
from tools.network.lab import Lab

pytestmark = [
    *(pytest.mark.distributed, pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("lab")),
    pytest.mark.skipif(os.geteuid() != 0, reason="making networks takes root"),
]

STEPS, LEARNERS = 600, 3
FLAGS = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=64", "--width_d=64", "--batch_size=16"),
    *("--critic_steps=1", "--log_every=5", "--eval_every=0", "--gossip_backend=native", "--topology=ring"),
]


class Job:
    """`tfdgan.train` on the learners of a lab, under way in a thread."""

    def __init__(self, lab, folder, *flags, before=(), program=(sys.executable, "-m", "tfdgan.train")):
        self._log, self._workdir = folder.with_suffix(".log"), f"--workdir={folder}"
        command = [*before, *program, *FLAGS, self._workdir, *flags]
        self._done = None
        self._thread = threading.Thread(target=self._run, args=(lab, command))
        self._thread.start()

    def _run(self, lab, command):
        with open(self._log, "w") as log:
            self._done = lab.run(command, environment(), ROOT, stdout=log, stderr=log)

    def said(self):
        return self._log.read_text() if self._log.exists() else ""

    def wait_for(self, text, seconds=120):
        until = time.monotonic() + seconds
        while not re.search(text, self.said()):
            assert time.monotonic() < until and self._thread.is_alive(), f"no {text!r} in\n{self.said()[-3000:]}"
            time.sleep(0.05)

    def stop(self):
        """Ask a learner to stop, and so all."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if self._workdir in line and "tfdgan.train" in line and "tfdgan.supervise" not in " ".join(line):
                    return process.send_signal(signal.SIGTERM)

    def end(self, seconds=300):
        """The exit code."""
        self._thread.join(seconds)
        assert self._done, self.said()[-3000:]
        return self._done.returncode


def states(folder):
    return [dict(np.load(folder / f"checkpoints/{STEPS:08d}/learner_{rank:03d}.npz")) for rank in range(LEARNERS)]


def test_a_link_that_is_down_for_ten_seconds(tmp_path):
    """No learner is lost for it, and every weight is what it is without the interruption."""
    flags = [f"--steps={STEPS}", "--gossip_timeout=30", "--on_peer_loss=fail"]
    with Lab(LEARNERS, 1e9, 1e-3) as lab:
        assert Job(lab, tmp_path / "whole", *flags).end() == 0
        job = Job(lab, tmp_path / "cut", *flags)
        job.wait_for("ms/step")
        lab.interrupt(1, 10)
        assert "done" not in job.said()  # all steps take less than that
        assert job.end() == 0, job.said()[-3000:]
    said = job.said()
    assert f"done: {STEPS} steps" in said and not re.search("fault|learner . is lost", said)
    for whole, again in zip(states(tmp_path / "whole"), states(tmp_path / "cut"), strict=True):
        assert whole.keys() == again.keys()
        assert all(array.tobytes() == again[name].tobytes() for name, array in whole.items())


def test_a_learner_that_cannot_be_reached_is_named_with_who_tried(tmp_path):
    wrong = tmp_path / "wrong.sh"
    wrong.write_text('[ "$HOROVOD_RANK" = 1 ] && set -- "$@" --gossip_advertise=198.51.100.7:7000\nexec "$@"\n')
    with Lab(2, 1e9, 1e-3) as lab:
        job = Job(lab, tmp_path / "run", "--steps=100", "--gossip_timeout=4", before=("sh", str(wrong)))
        assert job.end() != 0
    error = r"learner 1 on learner1 cannot be reached at 198\.51\.100\.7 port 7000 \(Network is unreachable\); "
    error += r"learner 0 on learner0 waits for it"
    assert re.search(error, job.said()), job.said()[-3000:]


def test_a_split_job_goes_on_on_one_side_and_the_others_come_back(tmp_path):
    """Learners 0 and 3 hear nothing of 1 and 2: at exactly half the side of the lowest rank goes on."""
    flags = ["--steps=1000000", "--gossip_timeout=4"]
    between = [(here, there) for here in (0, 3) for there in (1, 2)]
    with Lab(4, 1e9, 20e-3) as lab:  # so slow that those who come back find a free processor
        supervised = sys.executable, "-m", "tfdgan.supervise", "-m", "tfdgan.train"
        job = Job(lab, tmp_path / "run", *flags, program=supervised)
        job.wait_for("ms/step")
        for here, there in between:
            lab.run_on(here, ["ip", "route", "add", "blackhole", f"{namespaces.address(there)}/32"])
        job.wait_for(r"step \d+: learner 1 is lost", 60)
        job.wait_for(r"step \d+: learner 2 is lost, .*; 2 go on", 60)
        for rank in (1, 2):
            job.wait_for(f"fault: learner {rank}: gossip: ", 60)
        for here, there in between:
            lab.run_on(here, ["ip", "route", "del", "blackhole", f"{namespaces.address(there)}/32"])
        job.wait_for(r"step \d+: learner [12] on \S+ is back; 4 go on", 120)
        job.stop()
        assert job.end() == 0, job.said()[-3000:]
    assert "fault: learner 0" not in job.said() and "fault: learner 3" not in job.said()
    (folder,) = sorted((tmp_path / "run/checkpoints").glob("*"))[-1:]
    assert json.loads((folder / "manifest.json").read_text())["learners"] == 4


def test_where_one_way_is_dead_one_learner_is_left_out_and_the_others_go_on(tmp_path):
    """Packets from learner 1 to learner 2 vanish; both reach learner 0. One of the two is excluded, never both."""
    flags = ["--steps=2000", "--gossip_timeout=4", "--on_peer_loss=degrade"]
    with Lab(LEARNERS, 1e9, 1e-3) as lab:
        job = Job(lab, tmp_path / "run", *flags, before=("sh", "tests/outlive.sh"))
        job.wait_for("ms/step")
        lab.run_on(1, ["ip", "route", "add", "blackhole", f"{namespaces.address(2)}/32"])
        job.wait_for(r"step \d+: learner [12] is lost.*; 2 go on", 60)
        job.wait_for("done: 2000 steps")
        job.end()
    lost = set(re.findall(r"learner (\d) is lost", job.said()))
    assert len(lost) == 1 and lost <= {"1", "2"}, job.said()[-3000:]
