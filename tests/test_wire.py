"""The native exchange against a peer of our own, byte by byte: proofs, strangers, mixes, letters."""

import os
import random
import socket
import time

import numpy as np
import psutil
import pytest
import wire_peer as peer
from wire_learner import KEY, SHAPES, Mix, goes_through, numbers, send_data, serving, wait_until

from tfdgan.gossip.native import library


@pytest.fixture
def serve():
    yield from serving()


def test_a_peer_by_the_description_is_understood(serve):
    end = peer.connect(serve(), KEY)
    mix = Mix()
    sent = peer.read(end, peer.HEAD + 12)
    assert sent == peer.frame(payload=numbers(1, 2, 3), shapes=SHAPES)
    # A header and three numbers, and nothing else; they are counted a moment after they are sent.
    wait_until(lambda: library.counters()["bytes_sent"] == peer.HEAD + 12)
    send_data(end)
    np.testing.assert_array_equal(mix.wait(), [2.0, 3.0, 5.0])
    header, _ = peer.next_frame(end, pulses=True)  # the neighbour may forget what it has sent
    assert header["kind"] == peer.PULSE and header["received"] == 1


def test_early_data_waits_for_its_call(serve):
    end = peer.connect(serve(), KEY)
    send_data(end, sequence=0)
    send_data(end, numbers(5, 6, 11), sequence=1)
    time.sleep(0.3)
    np.testing.assert_array_equal(Mix().wait(), [2.0, 3.0, 5.0])
    np.testing.assert_array_equal(Mix().wait(), [3.0, 4.0, 7.0])


def test_two_rounds_use_what_the_first_made(serve):
    end = peer.connect(serve(), KEY)
    mix = Mix(rounds=2)
    assert peer.next_frame(end)[1] == numbers(1, 2, 3)
    send_data(end, rounds=2)
    assert peer.next_frame(end)[1] == numbers(2, 3, 5)
    send_data(end, numbers(4, 5, 9), rounds=2, round=1)
    np.testing.assert_array_equal(mix.wait(), [3.0, 4.0, 7.0])


def test_strangers_are_turned_away_and_counted(serve):
    port = serve()
    end = peer.connect(port, KEY)
    goes_through(end, 0)

    genuine = peer.Caller(port, KEY, session=bytes(16))
    recorded = genuine.hello()
    genuine.end.close()
    strangers = [
        peer.knock(bytes(32)),  # a wrong key
        peer.knock(KEY, rank=1),  # itself
        peer.knock(KEY, rank=2),  # no learner of this job
        peer.knock(KEY, size=3),  # of another job
        peer.knock(KEY, listener=0),  # meant for another learner
        peer.knock(KEY, security=2),  # who would have frames sealed
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 4,
    ]
    for stranger in strangers:
        visitor = socket.create_connection(("127.0.0.1", port), timeout=10)
        visitor.sendall(stranger)
        assert peer.is_closed(visitor)
    recording = peer.knock(KEY)
    for challenge in (32, 0):  # the second time it is a recording, to which nothing is said
        visitor = socket.create_connection(("127.0.0.1", port), timeout=10)
        visitor.sendall(recording)
        assert len(peer.read(visitor, 32)) == challenge
    replay = peer.Caller(port, KEY)
    replay.end.sendall(recorded)
    assert peer.is_closed(replay.end)
    wait_until(lambda: library.counters()["connections_refused"] == 2 + len(strangers))
    assert peer.Caller(port, KEY).enter()[0] == peer.GIVEN_UP  # a session that this learner does not know
    goes_through(end, 1)


def test_proofs_by_python_where_there_is_no_openssl(serve):
    library.can_seal()
    library.functions().tfdgan_use_hmac(library._hmac)
    try:
        port = serve()
        stranger = socket.create_connection(("127.0.0.1", port), timeout=10)
        stranger.sendall(peer.knock(bytes(32)))
        assert peer.is_closed(stranger)
        goes_through(peer.connect(port, KEY), 0)
    finally:
        library.stop()
        library.can_seal.cache_clear()
        assert library.can_seal()


def test_thousands_of_random_strangers(serve):
    port = serve()
    end = peer.connect(port, KEY)
    draw, count = random.Random(0), 3000
    for case in range(count):
        genuine = bytearray(peer.knock(KEY))
        for _ in range(draw.randint(1, 8)):
            genuine[draw.randrange(88)] ^= draw.randint(1, 255)
        noise = draw.randbytes(draw.randint(0, 200))
        visitor = socket.create_connection(("127.0.0.1", port), timeout=10)
        visitor.sendall(draw.choice([noise, bytes(genuine), bytes(genuine[: draw.randrange(88)]) + noise]))
        visitor.close()
        if case % 500 == 0:
            goes_through(end, case // 500)
    wait_until(lambda: library.counters()["connections_refused"] == count)
    goes_through(end, 6)


def test_it_listens_on_one_address_only(serve):
    port = serve()
    other = [a.address for name in psutil.net_if_addrs().values() for a in name if a.family == socket.AF_INET]
    for address in {"127.0.0.2", *other} - {"127.0.0.1"}:  # all of 127/8 is this machine
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=2)


def test_before_the_start_a_mix_is_an_error():
    assert "has not been started" in Mix().wait(5).message


def test_a_learner_gives_signs_of_life(serve):
    end = peer.connect(serve(timeout=1.0), KEY)
    begun = time.monotonic()
    assert peer.read(end, peer.HEAD) == peer.frame(kind=peer.PULSE, **BLANK, shapes=0)
    assert time.monotonic() - begun < 0.5
    assert library.silent_for(0) > 0
    before = library.silent_for(0)
    end.sendall(peer.frame(kind=peer.PULSE))
    wait_until(lambda: library.silent_for(0) < before)


def test_letters_of_any_length(serve):
    end = peer.connect(serve(), KEY)
    body = os.urandom(100_000)
    for offset in range(0, len(body), 70_000):
        part = body[offset : offset + 70_000]
        end.sendall(peer.frame(kind=peer.LETTER, payload=part, sequence=5, elements=len(body)))
    assert library.take_letter(0, 5, 5.0) == body
    end.sendall(peer.frame(kind=peer.LETTER, sequence=6, elements=0))
    assert library.take_letter(0, 6, 5.0) == b""
    assert library.take_letter(0, 7, 0.1) is None
    library.send_letter(0, 9, body[:10])
    header, payload = peer.next_frame(end)
    assert header["kind"] == peer.LETTER and header["sequence"] == 9 and header["elements"] == 10
    assert payload == body[:10]


BLANK = dict(type=0, wire=0, rounds=0, channel=0)
