"""Peers that go, are late, or give this learner up: whom an error names, and what goes on without them."""

import struct
import time

import numpy as np
import pytest
import tensorflow as tf
import wire_peer as peer
from wire_learner import KEY, Mix, numbers, serving

from tfdgan.gossip.native import library


@pytest.fixture
def serve():
    yield from serving()


def test_after_the_stop_a_mix_is_an_error(serve):
    end = peer.connect(serve(), KEY)
    mix = Mix()
    peer.next_frame(end)
    library.stop()
    assert "was stopped" in mix.wait(5).message


def test_a_peer_that_goes_is_named(serve):
    end = peer.connect(serve(), KEY)
    mix = Mix()
    peer.next_frame(end)
    end.close()
    error = mix.wait(5)
    assert isinstance(error, tf.errors.UnavailableError)
    assert "learner 0 on otherhost is gone (its host refuses connections); at step 0" in error.message
    assert "learner 0 on otherhost" in Mix().wait(5).message  # and so it stays


def test_a_late_peer_is_named_in_time(serve):
    end = peer.connect(serve(timeout=1.0), KEY)
    begun, mix = time.monotonic(), Mix()
    peer.next_frame(end)
    with peer.speaking(end, received=1):
        error = mix.wait(5)
    assert isinstance(error, tf.errors.DeadlineExceededError) and 1.0 < time.monotonic() - begun < 2.0
    assert "learner 0 on otherhost is late: nothing came for 1 s, 0 of 1 chunks are here" in error.message
    assert peer.is_closed(end)


def test_a_peer_that_waits_itself_gets_time_but_not_for_ever(serve):
    end = peer.connect(serve(timeout=0.5), KEY)
    begun, mix = time.monotonic(), Mix()
    peer.next_frame(end)
    with peer.speaking(end, received=1, kind=peer.HOLD):
        error = mix.wait(10)
    assert isinstance(error, tf.errors.DeadlineExceededError) and 2.0 < time.monotonic() - begun < 4.0


def test_a_peer_that_never_came_is_late_too(serve):
    serve(timeout=0.5)
    assert "learner 0 on otherhost has not connected to 127.0.0.1 port" in Mix().wait(5).message


def test_degraded_the_weight_goes_back_to_self(serve):
    end = peer.connect(serve(timeout=60.0, degrade=True), KEY)
    mix = Mix()
    peer.next_frame(end)
    end.close()
    np.testing.assert_array_equal(mix.wait(5), [1.0, 2.0, 3.0])
    deadline = time.monotonic() + 5
    while not library.lost() and time.monotonic() < deadline:  # it is told a moment after the mix
        time.sleep(0.01)
    assert library.lost() == {0: "is gone (its host refuses connections)"}
    np.testing.assert_array_equal(Mix().wait(5), [1.0, 2.0, 3.0])


def test_degraded_a_peer_hears_that_it_was_given_up(serve):
    end = peer.connect(serve(timeout=60, degrade=True), KEY)
    mix = Mix()
    assert peer.next_frame(end)[1] == numbers(1, 2, 3)
    library.give_up(0, "is left out, as all have agreed")
    np.testing.assert_array_equal(mix.wait(5), [1.0, 2.0, 3.0])
    assert peer.next_frame(end)[0]["kind"] == peer.DROP


def test_degraded_a_late_peer_is_not_told_before_learners_have_agreed(serve):
    end = peer.connect(serve(timeout=0.5, degrade=True), KEY)
    mix = Mix()
    assert peer.next_frame(end)[1] == numbers(1, 2, 3)
    with peer.speaking(end, received=1):
        np.testing.assert_array_equal(mix.wait(5), [1.0, 2.0, 3.0])
    with pytest.raises(struct.error):  # the connection has ended without a word
        peer.next_frame(end)


def test_given_up_by_a_peer_is_an_error_in_any_mode(serve):
    end = peer.connect(serve(degrade=True), KEY)
    mix = Mix()
    end.sendall(peer.frame(kind=peer.DROP))
    assert "learner 0 on otherhost has given this learner up as late" in mix.wait(5).message
    assert "given this learner up" in Mix().wait(5).message
