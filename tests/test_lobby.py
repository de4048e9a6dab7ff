"""The way into a job by itself: who gets in, what is said, what passes over the wire."""

import contextlib
import os
import socket
import threading
import time

import ml_dtypes
import numpy as np
import pytest

from tfdgan.distributed import line, roster, visit
from tfdgan.distributed.lobby import Lobby
from tfdgan.distributed.roster import Roster
from tfdgan.distributed.visit import Visit
from tfdgan.errors import JobOver, LocalFault, UserError
from tfdgan.gossip.native.sealer import Sealer

KEY, SALT = b"k" * 32, b"s" * 32
STATE = {
    "weights": np.arange(5_000_000, dtype=np.float32).reshape(1000, 5000),  # of more than one piece
    "step": np.array(7, np.int64),
    "empty": np.zeros([0, 3], np.float64),
    "narrow": np.array([1.5, -2], ml_dtypes.bfloat16),
}


class Job:
    """The lobby of a learner of a job in which place 2 is free."""

    def __init__(self, encrypts=False):
        self._encrypts, self.ended = encrypts, []
        listener = socket.create_server(("127.0.0.1", 0))
        self.place = listener.getsockname()[:2]
        self.lobby = Lobby(listener, SALT, KEY, self._receive, Sealer, self.ended.append)

    def _receive(self, said, promised):
        if said["rank"] != 2:
            return None, {"later": f"learner {said['rank']} is still there"}, False
        return 2, {"ranks": [0, 1]}, self._encrypts

    def visit(self, rank=2, place=None, key=KEY):
        return Visit(lambda: [place or self.place], lambda salt: key, {"rank": rank}, Sealer, lambda text: None)

    def until(self, holds, seconds=10):
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until
            self.lobby.give_state(lambda: STATE)
            time.sleep(0.01)


@pytest.fixture
def job():
    job = Job()
    yield job
    job.lobby.close("the test is over")


def in_background(function):
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(20)
        return found[0]

    return result


@pytest.mark.parametrize("encrypts", [False, True])
def test_a_guest_gets_the_state_and_comes_in(encrypts):
    job = Job(encrypts)
    guest = job.visit()
    assert guest.told["rank"] == 2 and guest.told["ranks"] == [0, 1] and guest.salt == SALT
    assert guest.address == "127.0.0.1"
    guest.ready({"place": "there"})
    state = in_background(guest.state)
    job.until(lambda: job.lobby._at("loading"))
    found = state()
    assert found.keys() == STATE.keys()
    for name, array in STATE.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    step = in_background(guest.loaded)
    job.until(job.lobby.loaded)
    assert job.lobby.loaded() == {2: {"place": "there"}}
    job.lobby.tell(2, "appointed", 150)
    assert step() == 150
    job.lobby.tell(2, "in", {"first": 1 << 40, "lost": {1: "is gone"}})
    assert guest.entered() == {"first": 1 << 40, "lost": {1: "is gone"}}
    job.until(lambda: not job.lobby.loaded())
    job.lobby.close("done")


@pytest.mark.parametrize("encrypts", [False, True])
def test_what_passes_over_the_wire(encrypts, monkeypatch):
    """Weights can be read from it unless the line is encrypted."""
    passed = []
    exactly = line.exactly
    monkeypatch.setattr(line, "exactly", lambda *arguments: passed.append(exactly(*arguments)) or passed[-1])
    job = Job(encrypts)
    guest = job.visit()
    guest.ready({})
    state = in_background(guest.state)
    job.until(lambda: job.lobby._at("loading"))
    assert state()["step"] == 7
    assert (STATE["weights"].tobytes()[: 1 << 20] in b"".join(passed)) != encrypts
    job.lobby.close("done")


def test_another_key_is_none_of_the_job(job, monkeypatch):
    monkeypatch.setattr(visit, "_ASKING", 0.5)
    monkeypatch.setattr(visit, "_PAUSE", 0.1)
    with pytest.raises(LocalFault, match="no learner of the job has let this one in .* no learner with the same key"):
        job.visit(key=b"x" * 32)


def test_a_place_that_is_taken_is_asked_for_again(job, monkeypatch):
    monkeypatch.setattr(visit, "_ASKING", 0.5)
    monkeypatch.setattr(visit, "_PAUSE", 0.1)
    with pytest.raises(LocalFault, match="learner 1 is still there"):
        job.visit(rank=1)


def test_who_is_not_wanted_hears_why(job):
    job.lobby._receive = lambda said, promised: (None, {"problem": "no such learner"}, False)
    with pytest.raises(UserError, match=r"join=127.0.0.1:\d+: no such learner"):
        job.visit()


def test_the_end_of_the_job_is_told(job):
    guest = job.visit()
    guest.ready({})
    heard = in_background(guest.state)
    job.until(lambda: not job.lobby._at("ready"))
    job.lobby.close("the job is done at step 10")
    heard()
    with pytest.raises((JobOver, LocalFault)):
        guest.loaded()


def test_a_guest_that_asks_again_takes_the_place_of_its_former_self(job):
    first = job.visit()
    first.ready({"process": 1})
    second = job.visit()
    second.ready({"process": 2})
    state = in_background(second.state)
    job.until(lambda: job.lobby._at("loading"))
    state()
    in_background(second.loaded)
    job.until(job.lobby.loaded)
    assert job.lobby.loaded() == {2: {"process": 2}}
    with pytest.raises(LocalFault, match="did not let this learner in: another process asks"):
        first.state()


def test_strangers_take_no_place_and_do_not_keep_guests_out(job):
    idle = [socket.create_connection(job.place) for _ in range(10)]
    for garbage in (b"", b"x", os.urandom(100), b"\xff" * 4 + os.urandom(4096)):
        with socket.create_connection(job.place) as stranger, contextlib.suppress(OSError):
            stranger.sendall(garbage)
    assert job.visit().told["rank"] == 2
    for one in idle:
        one.close()


def test_a_supervisor_is_believed_only_with_the_key(job):
    visit.report_end([job.place, ("127.0.0.1", 1)], KEY, 1)
    assert job.ended == [1]
    visit.report_end([job.place], b"x" * 32, 0)
    assert job.ended == [1]


def test_frames_that_are_changed_repeated_or_swapped_are_refused():
    for encrypts in (False, True):
        for change in ("flip", "repeat", "swap"):
            left, right = socket.socketpair()
            a, b = line.Line(left, KEY, b"up", b"down"), line.Line(right, KEY, b"down", b"up")
            if encrypts:
                a.encrypt(Sealer)
                b.encrypt(Sealer)
            a.send("one")
            a.send("two")
            right.settimeout(1)
            raw = right.recv(1 << 16)
            half = len(raw) // 2
            frames = raw[:half], raw[half:]
            changed = {
                "flip": bytes([*frames[0][:-1], frames[0][-1] ^ 1]),
                "repeat": frames[0] + frames[0],
                "swap": frames[1] + frames[0],
            }[change]
            left.sendall(changed)
            with pytest.raises(ValueError, match="a frame that the key does not fit"):
                b.receive(1)
                b.receive(1)


def test_a_roster(tmp_path):
    path = str(tmp_path / "roster.json")
    roster.write(path, Roster({3: ("fd00::5", 7003), 0: ("host", 7000)}))
    assert roster.read(path) == Roster({0: ("host", 7000), 3: ("fd00::5", 7003)})
    roster.write(path, Roster({}, "the job is done at step 5"))
    assert roster.read(path).over == "the job is done at step 5"
    for _ in range(2):
        roster.write_key(path, KEY)
        assert os.stat(tmp_path / "roster.key").st_mode & 0o777 == 0o600
    assert (tmp_path / "roster.key").read_text().strip() == KEY.hex()
    for text in ("", "[]", '{"lobbies": [[0]], "over": null}'):
        (tmp_path / "roster.json").write_text(text)
        with pytest.raises(UserError, match="no roster of a job"):
            roster.read(path)
