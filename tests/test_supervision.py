"""A supervisor by itself: when it starts its process again, how it ends, what it passes on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, environment

from tfdgan.distributed import roster
from tfdgan.distributed.lobby import Lobby
from tfdgan.distributed.roster import Roster
from tfdgan.gossip.native import wire_key

pytestmark = pytest.mark.slow


def supervise(folder, *does, most=3, **launcher):
    """`launcher`: variables that a launcher sets."""
    command = [sys.executable, "-m", "tfdgan.supervise", f"--max_restarts={most}", "-m", "supervised", folder, *does]
    variables = {**environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    variables |= {name: str(value) for name, value in launcher.items()}
    return subprocess.Popen(
        [str(part) for part in command], cwd=folder, env=variables, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=_heed_signals,
    )  # fmt: skip


def _heed_signals():
    """Also where the tests run under nohup, or in the background of a shell, which ignore these signals."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def ended(job):
    output, errors = job.communicate(timeout=60)
    return job.returncode, output, errors


def starts(folder):
    return [line.split() for line in (folder / "starts").read_text().splitlines()]


@pytest.fixture
def trained(tmp_path):
    """A folder with the roster of a job whose other learners are out of reach."""
    roster.write_key(tmp_path / "roster.json", bytes(32))
    roster.write(tmp_path / "roster.json", Roster({0: ("127.0.0.1", 1)}))
    return tmp_path


@pytest.mark.parametrize("does, code", [("0", 0), ("2", 2), ("7", 7), ("-9", 137)])
def test_before_training_has_begun_it_ends_as_its_process_did(tmp_path, does, code):
    """There is no job to come back to."""
    exit_code, output, errors = ended(supervise(tmp_path, does))
    assert (exit_code, output) == (code, "")
    assert bool(re.match("supervisor: the learner .* before it took part in a job", errors)) == (does != "0")
    assert len(starts(tmp_path)) == 1


def test_it_starts_its_process_again_in_the_place_that_it_had(trained):
    code, _, errors = ended(supervise(trained, -9, 1, 0))
    assert code == 0
    first, second, third = starts(trained)
    assert first[1:] == [str(trained), "-9", "1", "0", "--on_peer_loss=degrade"]
    assert second[1:] == third[1:] == [*first[1:], f"--join={trained}/roster.json", "--learner=3"]
    assert errors.splitlines() == [
        "supervisor: learner 3 was ended by signal 9: restart 1 of at most 3 in 1 s",
        "supervisor: learner 3 ended with exit code 1: restart 2 of at most 3 in 2 s",
    ]


def test_who_is_not_let_in_is_not_started_again(trained):
    """With 2 a process ends that the job does not want; the first one took part."""
    code, _, errors = ended(supervise(trained, 2, "2 outside"))
    assert code == 2 and len(starts(trained)) == 2
    assert errors.splitlines()[-1] == "supervisor: learner 3 ended with exit code 2, and was not let in again"


def lobby_of(learner_at, heard):
    """The lobby of a learner, which says that learners are at `learner_at`, a list of places."""
    listener = socket.create_server(("127.0.0.1", 0))

    def note(*which):
        heard.append(which)
        return learner_at

    refuse = lambda said, promised: (None, {}, False)  # noqa: E731
    made = Lobby(listener, bytes(32), wire_key.of_lobbies(bytes(32)), refuse, dict, None, note)
    return made, listener.getsockname()[:2]


def wait_until(holds, job):
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until and job.poll() is None
        time.sleep(0.05)


@pytest.mark.parametrize("does", [(5,), (2, "2 outside")], ids=["no restart is left", "not let in"])
def test_under_a_launcher_it_stays_until_the_job_is_over(trained, does):
    """The launcher would end all learners with it. It follows learners that have come back at other ports."""
    heard, now_at = [], []
    (former, first), (latter, second) = lobby_of(now_at, heard), lobby_of(now_at, heard)
    now_at.append(second)
    roster.write(trained / "roster.json", Roster({0: first, 1: ("127.0.0.1", 1), 3: ("127.0.0.1", 2)}))
    job = supervise(trained, *does, most=len(does) - 1, HOROVOD_RANK=3, HOROVOD_SIZE=4)
    wait_until(lambda: len(heard) > len(does), job)
    former.close("over", "it has died")
    del heard[:]
    wait_until(lambda: len(heard) >= 6, job)  # for longer than all would have to refuse
    roster.write(trained / "roster.json", Roster({}, "the job is done at step 100"))
    assert ended(job)[0] == 0
    assert len(starts(trained)) == len(does)
    latter.close("over", "done")


def test_under_a_launcher_it_ends_as_its_process_did_when_nobody_is_there_or_on_request(trained):
    job = supervise(trained, 5, most=0, HOROVOD_RANK=3, HOROVOD_SIZE=4)  # the other's lobby refuses connections
    assert ended(job)[0] == 5
    heard = []
    lobby, place = lobby_of([("127.0.0.1", 1)], heard)
    roster.write(trained / "roster.json", Roster({0: place}))
    job = supervise(trained, 5, most=0, HOROVOD_RANK=3, HOROVOD_SIZE=4)
    wait_until(lambda: heard, job)
    job.send_signal(signal.SIGTERM)
    assert ended(job)[0] == 5
    lobby.close("over", "done")


def test_it_gives_up_after_some_restarts_with_its_process_s_code(trained):
    assert ended(supervise(trained, 5, most=1))[0] == 5
    assert len(starts(trained)) == 2


def test_a_job_that_is_over_is_not_joined(trained):
    roster.write(trained / "roster.json", Roster({}, "the job is done at step 100"))
    assert ended(supervise(trained, 1))[0] == 0
    roster.write(trained / "roster.json", Roster({}, "the job has ended: NaN", well=False))
    assert ended(supervise(trained, 1))[0] == 1
    assert len(starts(trained)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on_and_no_restart_follows(trained, number):
    job = supervise(trained, "wait")
    assert job.stdout.readline() == "waits\n"
    job.send_signal(number)
    code, output, _ = ended(job)
    assert (code, output) == (0, f"got 1 signal(s), {int(number)}\n")
    assert len(starts(trained)) == 1


def test_a_signal_during_the_pause_ends_it(trained):
    job = supervise(trained, 1)
    assert "restart 1" in job.stderr.readline()
    job.send_signal(signal.SIGTERM)
    assert ended(job)[0] == 128 + signal.SIGTERM


def test_a_supervisor_that_is_killed_leaves_nobody_behind(trained):
    job = supervise(trained, "wait")
    assert job.stdout.readline() == "waits\n"
    child = psutil.Process(int(starts(trained)[0][0]))
    job.kill()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert gone and not alive


def test_it_needs_a_command(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "tfdgan.supervise", "--max_restarts=1"], cwd=ROOT, capture_output=True, text=True,
        env=environment(), timeout=60,
    )  # fmt: skip
    assert found.returncode == 2 and found.stderr.startswith("error: -m is missing")


def test_others_are_told_at_once(trained):
    """A lobby hears that the process has ended; the supervisor proves that it is of the job."""
    heard = []
    lobby, place = lobby_of([], heard)
    roster.write(trained / "roster.json", Roster({0: place, 3: ("127.0.0.1", 1)}))
    begun = time.monotonic()
    assert ended(supervise(trained, 5, 0))[0] == 0
    assert len(heard) == 1 and heard[0][0] == 3 and heard[0][1].startswith("process-")
    assert time.monotonic() - begun < 20
    lobby.close("over", "done")
