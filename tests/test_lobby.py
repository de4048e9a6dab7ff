"""The way into a job by itself: who gets in, what is said, what passes over the wire."""

import contextlib
import os
import socket
import struct
import threading
import time
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from tfdgan import __version__
from tfdgan.cli import joining
from tfdgan.distributed import line, roster, visit
from tfdgan.distributed.lobby import Lobby
from tfdgan.distributed.roster import Roster
from tfdgan.distributed.visit import Visit
from tfdgan.errors import JobOver, LocalFault, UserError
from tfdgan.gossip.native import reception, wire_key
from tfdgan.gossip.native.sealer import Sealer
from tfdgan.tasks import ImageOptions

GUEST = {
    "host": "there", "machine": "boot net", "door": "", "seals": True, "process": "ab", "place": ["127.0.0.1", 7000],
    "lobby": ("127.0.0.1", 7001),
}  # fmt: skip
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

        def note(*which):
            self.ended.append(which)
            return [self.place]

        listener = socket.create_server(("127.0.0.1", 0))
        self.place = listener.getsockname()[:2]
        self.lobby = Lobby(listener, SALT, KEY, self._receive, self._check, Sealer, note)

    def _receive(self, said, promised):
        if said["rank"] != 2 or 2 in promised:
            return None, {"later": f"the place of learner {said['rank']} is taken", "lobbies": []}, False
        return 2, {"ranks": [0, 1]}, self._encrypts

    def _check(self, learner):
        if learner.get("place") == "nowhere":
            raise UserError("nowhere: has no address")
        return {**learner, "process": "new"}

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
    job.lobby.close("over", "the test is over")


def until(holds, seconds=10):
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.01)


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
    assert job.lobby.loaded() == {2: {"place": "there", "process": "new"}}
    job.lobby.tell(2, "appointed", 150)
    assert step() == 150
    job.lobby.tell(2, "in", {"first": 1 << 40, "lost": {1: "is gone"}})
    assert guest.entered() == {"first": 1 << 40, "lost": {1: "is gone"}}
    job.until(lambda: not job.lobby.loaded())
    job.lobby.close("over", "done")


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
    job.lobby.close("over", "done")


def test_another_key_is_none_of_the_job(job, monkeypatch):
    monkeypatch.setattr(visit, "_REFUSED", 0.5)
    monkeypatch.setattr(visit, "_PAUSE", 0.1)
    with pytest.raises(UserError, match="no learner of the job is there .* with the same key .* give the job's"):
        job.visit(key=b"x" * 32)


def test_a_place_that_is_taken_is_asked_for_again(job, monkeypatch):
    monkeypatch.setattr(visit, "_ASKING", 0.5)
    monkeypatch.setattr(visit, "_PAUSE", 0.1)
    with pytest.raises(UserError, match="the place of learner 1 is taken"):
        job.visit(rank=1)


def test_who_is_not_wanted_hears_why(job):
    job.lobby._receive = lambda said, promised: (None, {"problem": "no such learner"}, False)
    with pytest.raises(UserError, match=r"join=127.0.0.1:\d+: no such learner"):
        job.visit()


def test_the_end_of_the_job_is_told(job):
    guest = job.visit()
    guest.ready({})
    heard = in_background(guest.state)
    until(lambda: job.lobby._at("ready"))
    job.lobby.close("over", "the job is done at step 10")
    assert str(heard()) == "the job is done at step 10" and isinstance(heard(), JobOver)


def test_a_learner_that_leaves_is_not_the_end_of_the_job(job):
    guest = job.visit()
    guest.ready({})
    heard = in_background(guest.state)
    until(lambda: job.lobby._at("ready"))
    job.lobby.close("left", "the learner that was asked has left the job")
    assert isinstance(heard(), LocalFault) and "has left the job" in str(heard())


def test_a_place_is_promised_once_and_free_again_when_its_guest_has_gone(job):
    first = job.visit()
    first.ready({})
    second = in_background(job.visit)
    until(lambda: job.lobby._at("ready"))
    time.sleep(0.3)
    first._line.close()  # as if its process had ended
    assert second().told["rank"] == 2


def test_a_guest_that_goes_after_it_has_loaded_is_not_expected(job):
    guest = job.visit()
    guest.ready({})
    state = in_background(guest.state)
    job.until(lambda: job.lobby._at("loading"))
    state()
    guest._line.send("loaded")
    until(job.lobby.loaded)
    guest._line.close()
    until(lambda: not job.lobby.loaded())


def test_who_goes_as_it_is_let_in_is_reported(job, monkeypatch):
    """The others have let it in: they would wait for it."""
    guest = job.visit()
    guest.ready({})
    state = in_background(guest.state)
    job.until(lambda: job.lobby._at("loading"))
    state()
    monkeypatch.setattr(line, "has_ended", lambda connection: False)  # it is not seen to go
    guest._line.send("loaded")
    until(job.lobby.loaded)
    guest._line.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    guest._line.close()
    time.sleep(0.2)
    job.lobby.tell(2, "in", {})
    until(lambda: job.ended == [(2, "new")])


def test_an_address_that_cannot_be_used_is_refused(job):
    guest = job.visit()
    guest.ready({"place": "nowhere"})
    with pytest.raises(LocalFault, match="did not let this learner in: nowhere: has no address"):
        guest.state()


def test_a_guest_asks_those_whom_others_name(job):
    other = Job()
    other.lobby._receive = lambda said, promised: (None, {"later": "taken", "lobbies": [list(job.place)]}, False)
    assert other.visit().host == job.place


def test_strangers_take_no_place_and_do_not_keep_guests_out(job):
    idle = [socket.create_connection(job.place) for _ in range(14)]
    for garbage in (b"", b"x", os.urandom(100), b"\xff" * 4 + os.urandom(4096)):
        with socket.create_connection(job.place) as stranger, contextlib.suppress(OSError):
            stranger.sendall(garbage)
    assert job.visit().told["rank"] == 2
    for one in idle:
        one.close()


def test_a_supervisor_is_believed_only_with_the_key(job):
    """It hears where learners are now, and knows a host where nobody is."""
    dead = ("127.0.0.1", 1)
    assert visit.report_end([job.place, dead], KEY, 1, "former") == ({job.place}, False)
    assert job.ended == [(1, "former")]
    assert visit.report_end([job.place], b"x" * 32, 0, "former") == (set(), False)
    assert job.ended == [(1, "former")]
    assert visit.report_end([dead], KEY, 1, "former") == (set(), True)


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
    roster.write(path, Roster({}, "the job has ended: NaN", well=False))
    assert roster.read(path) == Roster({}, "the job has ended: NaN", well=False)
    for _ in range(2):
        roster.write_key(path, KEY)
        assert os.stat(tmp_path / "roster.key").st_mode & 0o777 == 0o600
    assert (tmp_path / "roster.key").read_text().strip() == KEY.hex()
    for text in ("", "[]", '{"lobbies": [[0]], "over": null}'):
        (tmp_path / "roster.json").write_text(text)
        with pytest.raises(UserError, match="no roster of a job"):
            roster.read(path)


@pytest.mark.parametrize(
    "change, named",
    [
        (dict(machine=None), "machine=None"),
        (dict(seals=1), "seals=1"),
        (dict(door=b"x"), "door="),
        (dict(place=["127.0.0.1", 0]), "place="),
        (dict(place="127.0.0.1:7000"), "place='127.0.0.1:7000'"),
        (dict(lobby=["127.0.0.1"]), "lobby="),
    ],
)
def test_a_guest_that_says_something_else_is_refused_before_all_learners_take_it_in(change, named):
    """As another version of the package may."""
    with pytest.raises(UserError) as caught:
        reception.usable({**GUEST, **change})
    assert caught.value.as_flags().startswith(f"--join: {named}") and "install the job's tfdgan" in str(caught.value)


def test_what_a_guest_says_is_kept_with_its_address_in_digits(monkeypatch):
    monkeypatch.setattr(reception.distributed, "rank", lambda: 0)
    expected = {**GUEST, "place": ("127.0.0.1", 7000)}
    assert reception.usable({**GUEST, "run": b"", "place": ["localhost", 7000]}) == expected
    with pytest.raises(UserError, match="install the job's"):
        reception.usable("there")
    with pytest.raises(UserError, match="no-such-host.invalid, which has no address here"):
        reception.usable({**GUEST, "place": ["no-such-host.invalid", 7000]})


def test_another_version_of_the_package_is_refused_by_itself(tmp_path):
    """Learners of two versions may not say the same things."""
    (tmp_path / "key").write_text("ab" * 32)
    (tmp_path / "key").chmod(0o600)
    key = wire_key.of_lobbies(wire_key.of_run(wire_key.of_file(str(tmp_path / "key")), SALT))
    receive = lambda said, promised: (2, {"facts": {"version": "0.1.9"}}, False)  # noqa: E731
    listener = socket.create_server(("127.0.0.1", 0))
    lobby = Lobby(listener, SALT, key, receive, dict, Sealer, print)
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(UserError, match=rf"join={place}: the job runs tfdgan 0.1.9, this is {__version__}; install"):
        joining.ask(ImageOptions(join=place, on_peer_loss="degrade", wire_key_file=str(tmp_path / "key")))
    lobby.close("over", "the test is over")


def test_a_guest_with_other_data_is_refused():
    guest = SimpleNamespace(told={"facts": {"digest": "classes", "whole": "samples"}})
    joining.check_data(guest, "d", "classes", "samples")
    with pytest.raises(UserError, match="dataset=d: this process has other samples than the job, or the same in ano"):
        joining.check_data(guest, "d", "classes", "others")
    with pytest.raises(UserError, match="dataset=d: this process reads other data than the job, or names classes"):
        joining.check_data(guest, "d", "others", "samples")
