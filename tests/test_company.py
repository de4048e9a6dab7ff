"""What is said of learners that are slow, and of those that are lost."""

import re
import signal
import time

import psutil
import pytest
from jobs import learners_of, running, wait_for_steps
from jobs import said as log_of

from tfdgan.training import company
from tfdgan.training.company import Company


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(company, "say_once", lines.append)
    return lines


def test_a_slow_learner_is_named_once_and_again_when_it_keeps_up(said):
    learners = Company(trainer=None, admission=None, known={})
    usual, slow = {0: 0.1, 1: 0.11, 2: 0.1, 3: 0.09}, {0: 0.1, 1: 0.11, 2: 1.0, 3: 0.09}
    for step in range(4):
        learners.meet_paces(step, slow)
    learners.meet_paces(4, usual)  # it was no more than a hiccup
    assert not said
    for step in range(5, 30):
        learners.meet_paces(step, slow)
    assert said == ["step 9: learner 2 is slow, 9.5 times the median step; its neighbours wait for it"]
    learners.meet_paces(30, usual)
    assert said[1:] == ["step 30: learner 2 keeps up again"]


@pytest.mark.slow
@pytest.mark.distributed
def test_a_learner_that_gets_a_tenth_of_the_time_is_named_in_a_real_run(tmp_path):
    workdir = tmp_path / "run"
    with running(3, workdir, "--batch_size=256", "--gossip_backend=native", "--log_every=10") as job:
        wait_for_steps(job, workdir)
        hampered = learners_of(job)[-1]
        caller = psutil.Process(int(hampered.name().removeprefix("call ")))  # warm.py
        rank = caller.environ()["HOROVOD_RANK"]
        deadline = time.monotonic() + 120
        while not (found := re.search(rf"learner {rank} is slow, (\d+)\S* times", log_of(workdir))):
            assert time.monotonic() < deadline, log_of(workdir)[-2000:]
            hampered.suspend()
            time.sleep(0.18)
            hampered.resume()
            time.sleep(0.02)
        assert int(found[1]) >= 4
        while f"learner {rank} keeps up again" not in log_of(workdir):
            assert time.monotonic() < deadline, log_of(workdir)[-2000:]
            time.sleep(0.1)
        hampered.send_signal(signal.SIGTERM)
        assert job.wait(timeout=60) == 0 and "is lost" not in log_of(workdir)


def test_of_two_learners_none_is_the_slow_one(said):
    learners = Company(trainer=None, admission=None, known={})
    for step in range(10):
        learners.meet_paces(step, {0: 0.1, 1: 5.0})
    assert not said


class Stays:
    """A trainer whom losses do not concern."""

    def restrict_to(self, ranks):
        pass


def test_a_loss_is_told_by_the_next_if_the_one_who_was_to_tell_is_lost_too(said, monkeypatch):
    """Learner 1 was to tell of 0's loss. Had it lived for one more tick, it would have."""
    monkeypatch.setattr(company, "is_writer", lambda: False)
    for lives, told in ((False, [0, 0, 1]), (True, [0, 1])):
        said.clear()
        there = Company(Stays(), None, {})
        for lost in ({0: "is gone"}, *([{0: "is gone"}] if lives else []), {0: "is gone", 1: "is gone"}):
            monkeypatch.setattr(company.collectives, "lost", lambda lost=lost: lost)
            monkeypatch.setattr(company.collectives, "ranks", lambda lost=lost: [r for r in range(3) if r not in lost])
            there.meet_losses(20)
        assert [int(re.search(r"learner (\d) is lost", text)[1]) for text in said] == told
