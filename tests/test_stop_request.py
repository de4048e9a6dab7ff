"""Signals to one process, before, during and after a run."""

import os
import signal

import pytest

from tfdgan.training.stop_request import StopRequest


@pytest.fixture
def arrived():
    """The signals that reach the handler from before the run."""
    found = []
    former = {n: signal.signal(n, lambda number, _: found.append(number)) for n in (signal.SIGTERM, signal.SIGINT)}
    yield found
    for number, handler in former.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


def test_a_signal_is_a_request_and_a_second_one_ends(arrived):
    with StopRequest() as stop:
        assert not stop.requested
        send(signal.SIGTERM)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
    send(signal.SIGTERM)
    assert arrived == [signal.SIGTERM]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_late_signal_of_a_job_that_has_stopped_ends_nothing(number, arrived):
    """Another learner's signal has stopped the job; this learner's own comes while it ends."""
    with StopRequest() as stop:
        stop.heeded()
    send(number)
    assert arrived == []
    for again in (signal.SIGTERM, signal.SIGINT):
        send(again)
    assert arrived == [signal.SIGTERM, signal.SIGINT]


def test_a_signal_long_after_is_another_one(arrived, monkeypatch):
    with StopRequest() as stop:
        stop.heeded()
    monkeypatch.setattr("tfdgan.training.stop_request._LATE", -1.0)
    send(signal.SIGINT)
    assert arrived == [signal.SIGINT]


def test_who_has_had_its_signal_waits_for_no_other(arrived):
    with StopRequest() as stop:
        send(signal.SIGTERM)
        stop.heeded()
    send(signal.SIGTERM)
    assert arrived == [signal.SIGTERM]


def test_a_run_that_was_not_stopped_leaves_signals_as_they_were(arrived):
    with StopRequest():
        pass
    send(signal.SIGTERM)
    assert arrived == [signal.SIGTERM]
