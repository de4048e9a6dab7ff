"""When a run ticks, saves and scores."""

from tfdgan.training.agenda import Agenda


def events(agenda):
    """The steps at which the learners meet, from one to the next, as the loop goes."""
    found, step = [], 0
    while step < agenda.steps:
        step = agenda.next_event(step)
        assert agenda.is_event(step)
        found.append(step)
    return found


def test_every_event_comes_and_the_last_step_is_one():
    agenda = Agenda(steps=25, log_every=10, eval_every=12, checkpoint_every=8)
    assert events(agenda) == [8, 10, 12, 16, 20, 24, 25]
    assert [step for step in range(1, 26) if agenda.is_event(step)] == events(agenda)
    assert [step for step in range(1, 26) if agenda.saves(step)] == [8, 16, 24, 25]
    assert [step for step in range(1, 26) if agenda.scores(step)] == [12, 24, 25]


def test_nothing_but_the_last_step_without_intervals():
    agenda = Agenda(steps=25, log_every=100, eval_every=0, checkpoint_every=0)
    assert events(agenda) == [25]
    assert agenda.saves(25) and not agenda.scores(25)


def test_the_end_of_pretraining_is_saved():
    agenda = Agenda(steps=25, log_every=10, eval_every=0, checkpoint_every=0, pretraining_steps=7)
    assert events(agenda) == [7, 10, 20, 25]
    assert agenda.saves(7) and not agenda.saves(10)
