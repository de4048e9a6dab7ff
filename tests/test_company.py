"""What is said of learners that are slow."""

import pytest

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


def test_of_two_learners_none_is_the_slow_one(said):
    learners = Company(trainer=None, admission=None, known={})
    for step in range(10):
        learners.meet_paces(step, {0: 0.1, 1: 5.0})
    assert not said
