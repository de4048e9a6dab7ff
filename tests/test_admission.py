"""Who is let in after which step: what all learners agree on, by the appointments of each."""

import pytest

from tfdgan.distributed import messages
from tfdgan.training import admission
from tfdgan.training.admission import Admission


class Lobby:
    """Guests that have loaded, {place: where they listen}, and what they are told. The real one: test_lobby.py."""

    def __init__(self, *ignored):
        self.guests, self.told = {}, []

    def loaded(self):
        return dict(self.guests)

    def tell(self, rank, what, value):
        self.told.append((rank, what, value))

    def give_state(self, make):
        return bool(make())

    def close(self, *words):
        self.told.append(words)


class Learners:
    """Four learners of a job of six, of which this process stands for each in turn."""

    def __init__(self, monkeypatch, tmp_path):
        self.ranks, self._speaking, running = [0, 1, 2, 3], 0, self._running()
        monkeypatch.setattr(admission.bootstrap, "running", lambda: running)
        monkeypatch.setattr(admission.bootstrap, "readmit", lambda learners, first: None)
        monkeypatch.setattr(admission.reception, "listen", lambda settings: (None, ("127.0.0.1", 1)))
        monkeypatch.setattr(admission, "Lobby", Lobby)
        monkeypatch.setattr(admission.distributed, "rank", lambda: self._speaking)
        monkeypatch.setattr(admission.job, "size", lambda: 6)
        monkeypatch.setattr(admission.collectives, "ranks", lambda: list(self.ranks))
        monkeypatch.setattr(admission.collectives, "gather", lambda value, name: self._gathered)
        self.all = {}
        for rank in self.ranks:
            self._speaking = rank
            self.all[rank] = Admission(None, str(tmp_path), {"fact": 1})
        self._speaking = 0

    def _running(self):
        learners = {rank: {"process": f"process {rank}"} for rank in range(6)}
        return type("Running", (), dict(settings=None, key=b"k" * 32, salt=b"s" * 32, learners=learners, first=0))()

    def appoint(self, following):
        self._gathered = [self.all[rank]._candidates() for rank in self.ranks]
        for rank in self.ranks:
            self._speaking = rank
            self.all[rank].appoint(following)

    def expected(self, step):
        found = [self.all[rank].expected(step) for rank in self.ranks]
        assert all(one == found[0] for one in found)
        return found[0]

    def let_in(self, step, host, rank):
        """What the guest `rank` of learner `host` is told when it comes in."""
        self._speaking, self._gathered = host, [([rank], 0)]
        self.all[host]._assembly = type("Assembly", (), dict(readmit=lambda *_: None, ranks=self.ranks, lost={}))()
        assert self.all[host].let_in(step, {}) == [rank]
        assert self.all[host]._lobby.told[-1][:2] == (rank, "in")
        return messages.decode(messages.encode(self.all[host]._lobby.told[-1][2]))


@pytest.fixture
def learners(monkeypatch, tmp_path):
    return Learners(monkeypatch, tmp_path)


def test_a_guest_is_expected_at_the_tick_after_its_appointment_and_hears_of_it_once(learners):
    learners.all[2]._lobby.guests = {4: {"place": "there"}}
    assert [learners.all[rank].wanted() for rank in range(4)] == [False, False, True, False]
    learners.appoint(following=20)
    assert learners.all[2]._lobby.told == [(4, "appointed", 20)]
    assert learners.expected(10) == [] and learners.expected(20) == [4] and learners.expected(30) == [4]
    assert not learners.all[2].wanted()
    learners.appoint(following=30)
    assert learners.all[2]._lobby.told == [(4, "appointed", 20)] and learners.expected(20) == [4]


def test_who_comes_in_hears_of_guests_that_are_still_to_come(learners):
    """Else the others would meet the second guest without the first one, which goes on with its steps."""
    learners.all[2]._lobby.guests = {4: {"place": "there"}}
    learners.appoint(following=20)
    learners.all[3]._lobby.guests = {5: {"place": "elsewhere"}}
    learners.appoint(following=40)  # at the tick of step 20, at which learner 4 comes in
    told = learners.let_in(20, host=2, rank=4)
    newcomer = learners.all[0]  # any other than the two hosts
    newcomer.open(None, 20, told["appointed"])
    assert newcomer.expected(20) == [] and newcomer.expected(40) == [5] == learners.all[2].expected(40)


def test_of_two_guests_for_one_place_the_one_of_the_lower_learner_counts(learners):
    for host in (3, 1):
        learners.all[host]._lobby.guests = {5: {"place": f"of {host}"}}
    learners.appoint(following=20)
    assert learners.all[1]._lobby.told == [(5, "appointed", 20)] and learners.all[3]._lobby.told == []
    assert {learners.all[rank]._appointed[5].host for rank in range(4)} == {1}


def test_guests_of_a_learner_that_is_lost_are_not_expected(learners):
    learners.all[2]._lobby.guests, learners.all[0]._lobby.guests = {4: {}}, {5: {}}
    learners.appoint(following=20)
    learners.ranks.remove(2)
    assert learners.expected(20) == [5]


def test_a_place_that_somebody_else_has_taken_is_not_expected(learners):
    learners.all[2]._lobby.guests = {4: {}}
    learners.appoint(following=20)
    learners.ranks = [0, 1, 2, 3, 4]
    learners.all[4] = learners.all[0]
    assert learners.expected(20) == []


def test_the_state_is_not_given_for_a_place_that_is_taken(learners):
    learners.all[1]._lobby.guests = {3: {}}
    assert learners.all[1].give_state(7, lambda: {}) is False
    assert learners.all[1]._lobby.told == [(3, "taken", "learner 3 is there by now")]


def test_who_asks_hears_which_places_are_free(learners):
    asked = {"seals": False, "machine": "m"}
    problem = learners.all[0]._receive({"rank": 6, **asked}, set())[1]
    assert problem == {"problem": "--learner=6: learners are numbered from 0 to 5"}
    later = learners.all[0]._receive({"rank": 4, **asked}, set())[1]  # before `open`
    assert later["later"] == "the place of learner 4 is taken, as far as learner 0 knows"


def test_nobody_is_let_in_before_the_exchange_stands(learners):
    with pytest.raises(RuntimeError, match="Admission.open comes before"):
        learners.all[0].let_in(10, {})
