"""What a peer that has proved itself may send: frames that fit no call, too many, or none that can be."""

import random
import time

import psutil
import pytest
import tensorflow as tf
import wire_peer as peer
from wire_learner import KEY, SHAPES, Mix, goes_through, numbers, send_data, serving, wait_until

from tfdgan.gossip.native import library


@pytest.fixture
def serve():
    yield from serving()


BAD_FRAMES = {
    "2^60 numbers in a frame": dict(bytes=2**32 - 1, elements=2**60),
    "2^60 numbers in all, in a frame of three": dict(bytes=12, elements=2**60),
    "a payload longer than the stream": dict(bytes=peer.CHUNK, elements=3),
    "another magic": dict(magic=1),
    "an unknown kind": dict(kind=77),
    "an unknown type": dict(type=9),
    "an unknown wire": dict(wire=0),
    "a round beyond the last": dict(round=1),
    "two thousand rounds": dict(rounds=2000),
    "a slot of a shelf that there is none of": dict(slot=1),
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
    assert (
        "learner 1 on thishost expected 3 numbers of float32 in 1 tensors of shapes [3];, sent as float32"
        in error.message
    )


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


def test_who_acknowledges_nothing_is_given_up(serve):
    """Each fourth stream of a call that has failed is answered: the answers are kept until the peer has them."""
    end = peer.connect(serve(), KEY)
    mix = Mix()
    send_data(end, step=9)
    assert isinstance(mix.wait(), tf.errors.InvalidArgumentError)
    words = peer.frame(payload=numbers(3, 4, 7), shapes=SHAPES, step=9) * 1000
    with pytest.raises(OSError):  # noqa: PT012
        for _ in range(1000):
            end.sendall(words)
    wait_until(lambda: library.lost())
    assert "does not take what it is sent" in library.lost()[0]
