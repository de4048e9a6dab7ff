"""The native exchange against a peer of our own, byte by byte: proofs, frames, and everything a stranger may send."""

import os
import random
import socket
import struct
import threading
import time

import numpy as np
import psutil
import pytest
import tensorflow as tf
import wire_peer as peer

from tfdgan.gossip.native import library

KEY = bytes(range(32))
SHAPES = peer.fnv(b"[3];")  # of one tensor of three numbers


@pytest.fixture
def serve():
    """serve(timeout, degrade) -> port: learner 1 of 2, whose learner 0 is this test."""

    def start(timeout=60.0, degrade=False):
        port = library.listen("127.0.0.1")
        learners = [
            library.Learner(host, "127.0.0.1", p, True, 0) for host, p in (("otherhost", 1), ("thishost", port))
        ]
        library.start(1, learners, KEY, timeout, degrade)
        return port

    yield start
    library.stop()


class Mix:
    """A mix of [1, 2, 3] with learner 0, weight a half, under way in a thread."""

    def __init__(self, values=(1.0, 2.0, 3.0), rounds=1):
        self.result = None
        self._thread = threading.Thread(target=self._run, args=(tf.constant(values), rounds))
        self._thread.start()

    def _run(self, values, rounds):
        order = tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name="order")
        try:
            ones = [1] * rounds
            peers = ([0] * rounds, ones, [0] * rounds, ones, [0.5] * rounds)
            ops = library.ops()
            pending = ops.tfdgan_mix_start([values], *peers, 0, "test", order, wire=tf.float32)
            self.result = ops.tfdgan_mix_finish(pending, N=1, T=tf.float32, shapes=[values.shape])[0].numpy()
        except tf.errors.OpError as error:
            self.result = error

    def wait(self, seconds=20):
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the mix hangs"
        return self.result


def numbers(*values):
    return struct.pack(f"<{len(values)}f", *values)


def send_data(end, payload=None, **fields):
    end.sendall(peer.frame(payload=numbers(3, 4, 7) if payload is None else payload, **{"shapes": SHAPES, **fields}))


def goes_through(end, sequence):
    """One whole exchange on this connection."""
    mix = Mix()
    send_data(end, sequence=sequence)
    np.testing.assert_array_equal(mix.wait(), [2.0, 3.0, 5.0])


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


def wait_until(condition, seconds=5):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


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


BAD_FRAMES = {
    "2^60 numbers in a frame": dict(bytes=2**32 - 1, elements=2**60),
    "2^60 numbers in all, in a frame of three": dict(bytes=12, elements=2**60),
    "a payload longer than the stream": dict(bytes=peer.CHUNK, elements=3),
    "another magic": dict(magic=1),
    "an unknown kind": dict(kind=77),
    "an unknown type": dict(type=9),
    "an unknown wire": dict(wire=0),
    "a round beyond the last": dict(round=1),
    "a million rounds": dict(rounds=10**6),
    "nothing to send": dict(bytes=0, elements=0),
    "a letter of 2^60 bytes": dict(kind=peer.LETTER, elements=2**60, bytes=1000),
    "a letter longer than it says": dict(kind=peer.LETTER, elements=10, bytes=1000),
    "credit with a payload": dict(kind=peer.CREDIT, bytes=12),
    "frames received that were never sent": dict(kind=peer.CREDIT, received=10),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_frame_that_cannot_be_ends_the_connection(name, serve):
    end = peer.connect(serve(), KEY)
    mix = Mix()
    before = psutil.Process().memory_info().rss
    end.sendall(peer.frame(**BAD_FRAMES[name], **({} if "kind" in BAD_FRAMES[name] else {"shapes": SHAPES})))
    error = mix.wait()
    assert isinstance(error, tf.errors.UnavailableError)
    assert "learner 0 on otherhost is gone (it broke the protocol); at step 0 on channel test" in error.message
    assert peer.is_closed(end)
    wait_until(lambda: library.counters()["protocol_errors"] == 1)
    assert psutil.Process().memory_info().rss - before < 64 << 20


def test_random_frames_of_a_proven_peer_never_crash(serve):
    draw = random.Random(1)
    for _ in range(300):
        port = serve()
        end = peer.connect(port, KEY)
        for _ in range(draw.randint(1, 6)):
            fields = dict(
                kind=draw.choice([1, 1, 1, 2, 3, 5]),
                sequence=draw.randint(0, 3),
                round=draw.randint(0, 2),
                rounds=draw.randint(1, 3),
                chunk=draw.randint(0, 2),
                channel=draw.choice([0, peer.fnv(b"test")]),
                shapes=SHAPES,
            )
            words = bytearray(peer.frame(payload=draw.randbytes(12), **fields))
            if draw.random() < 0.3:
                words[draw.randrange(peer.HEAD)] = draw.randrange(256)
            try:
                end.sendall(words)
            except ConnectionError:
                break
        end.close()
        library.stop()
    goes_through(peer.connect(serve(), KEY), 0)


def test_chunks_come_in_order(serve):
    end = peer.connect(serve(), KEY)
    end.sendall(peer.frame(payload=bytes(peer.CHUNK), elements=10**6, chunk=3))
    assert peer.is_closed(end)
    wait_until(lambda: library.counters()["protocol_errors"] == 1)


def test_eager_data_is_bounded(serve):
    """Before its call begins a stream may send one chunk of 256 KiB; a second ends the connection."""
    end = peer.connect(serve(), KEY)
    chunk = bytes(peer.CHUNK)
    end.sendall(peer.frame(payload=chunk, elements=10**6))
    time.sleep(0.2)
    assert library.counters()["protocol_errors"] == 0
    end.sendall(peer.frame(payload=chunk, elements=10**6, chunk=1))
    assert peer.is_closed(end)
    wait_until(lambda: library.counters()["protocol_errors"] == 1)


@pytest.mark.parametrize(
    "fields, sent",
    [
        (dict(payload=numbers(1, 2)), "2 numbers of float32, sent as float32, in 1 rounds at step 0"),
        (dict(shapes=1), "3 numbers of float32 in tensors of other shapes"),
        (dict(type=2), "3 numbers of float64"),
        (dict(payload=bytes(6), elements=3, wire=3), "3 numbers of float32, sent as bfloat16"),
        (dict(rounds=2), "in 2 rounds at step 0"),
        (dict(step=7), "in 1 rounds at step 7"),
    ],
)
@pytest.mark.parametrize("early", [False, True])
def test_other_shapes_types_rounds_steps(serve, fields, sent, early):
    end = peer.connect(serve(), KEY)
    mix = None if early else Mix()
    send_data(end, **fields)
    if early:
        time.sleep(0.2)
        mix = Mix()
    error = mix.wait()
    assert isinstance(error, tf.errors.InvalidArgumentError)
    assert "learner 0 on otherhost sent " in error.message and sent in error.message
    assert "learner 1 expected 3 numbers of float32 in 1 tensors of shapes [3];, sent as float32" in error.message


def test_a_call_that_begins_between_header_and_payload_sees_through_it(serve):
    end = peer.connect(serve(), KEY)
    words = peer.frame(payload=numbers(1, 2), shapes=SHAPES)
    end.sendall(words[: peer.HEAD])
    time.sleep(0.2)
    mix = Mix()
    time.sleep(0.2)
    end.sendall(words[peer.HEAD :])
    assert "sent 2 numbers of float32" in mix.wait().message


@pytest.mark.parametrize("early", [False, True])
def test_failed_calls_count_as_finished_streams(serve, early):
    """A sender may have eight streams of a channel open; it is told of finished ones four at a time."""
    end = peer.connect(serve(), KEY)
    for sequence in range(20):
        mix = None if early else Mix()
        send_data(end, sequence=sequence, step=9)
        if early:
            time.sleep(0.05)
            mix = Mix()
        assert isinstance(mix.wait(), tf.errors.InvalidArgumentError)
    told = 0
    while told < 20:
        header, _ = peer.next_frame(end)
        if header["kind"] == peer.CREDIT:
            told = header["elements"]


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
    assert "learner 0 on otherhost is late" in Mix().wait(5).message


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


def test_degraded_a_late_peer_hears_that_it_was_given_up(serve):
    end = peer.connect(serve(timeout=0.5, degrade=True), KEY)
    mix = Mix()
    assert peer.next_frame(end)[1] == numbers(1, 2, 3)
    with peer.speaking(end, received=1):
        np.testing.assert_array_equal(mix.wait(5), [1.0, 2.0, 3.0])
    assert peer.next_frame(end)[0]["kind"] == peer.DROP


def test_given_up_by_a_peer_is_an_error_in_any_mode(serve):
    end = peer.connect(serve(degrade=True), KEY)
    mix = Mix()
    end.sendall(peer.frame(kind=peer.DROP))
    assert "learner 0 on otherhost has given this learner up as late" in mix.wait(5).message
    assert "given this learner up" in Mix().wait(5).message


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
