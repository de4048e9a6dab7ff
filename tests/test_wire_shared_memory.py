"""Learners of one host: what a peer by the door may send of memory, and what it finds on this learner's shelf."""

import fcntl
import mmap
import os
import socket
import struct

import numpy as np
import pytest
import wire_peer as peer
from wire_learner import KEY, Mix, serving, wait_until

from tfdgan.gossip.native import library

SLOTS, PAGE = 32, 4096
SIZE = PAGE + SLOTS * peer.CHUNK
COUNT = 20_000  # numbers: more than go with their header
ELEMENTS = dict(elements=COUNT, shapes=peer.fnv(f"[{COUNT}];".encode()))


@pytest.fixture
def serve():
    yield from serving()


def shelf(size=SIZE, seals=7):
    """The descriptor of memory as a learner shares it; 7: it can be neither shortened, lengthened nor unsealed."""
    descriptor = os.memfd_create("shelf", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def assert_all(values, number):
    np.testing.assert_array_equal(values, np.full(COUNT, number, np.float32))


def hand_over(end, descriptor):
    socket.send_fds(end, [peer.frame(kind=peer.PULSE, **BLANK)], [descriptor])


def header_of(words):
    return dict(zip(peer.FIELDS, peer.FRAME.unpack(words), strict=True))


def next_header(end):
    """Of a frame whose payload, if it has one, lies elsewhere."""
    return header_of(peer.read(end, peer.HEAD))


BLANK = dict(type=0, wire=0, rounds=0, channel=0, shapes=0)


def test_numbers_are_mixed_where_they_lie_and_the_slot_is_given_back(serve):
    _, door = serve(shares=True)
    end = peer.connect(None, KEY, door=door)
    descriptor = shelf()
    memory = mmap.mmap(descriptor, SIZE)
    hand_over(end, descriptor)
    assert any(next_header(end)["slot"] for _ in range(3))  # a pulse says that it has come
    theirs = np.arange(COUNT, dtype=np.float32)
    memory[PAGE + 2 * peer.CHUNK : PAGE + 2 * peer.CHUNK + 4 * COUNT] = theirs.tobytes()
    memory[8:12] = struct.pack("<I", 1)  # the third slot is taken
    mix = Mix(values=np.ones(COUNT, np.float32))
    end.sendall(peer.frame(bytes=4 * COUNT, slot=3, **ELEMENTS))
    np.testing.assert_array_equal(mix.wait(), (1 + theirs) / 2)
    wait_until(lambda: memory[8:12] == bytes(4))
    assert library.counters()["bytes_received"] > 4 * COUNT


def test_numbers_lie_on_a_shelf_once_the_peer_has_it(serve):
    _, door = serve(shares=True)
    end = peer.connect(None, KEY, door=door)
    data = np.zeros(COUNT, np.float32).tobytes()
    mix = Mix(values=np.full(COUNT, 3, np.float32))
    words, descriptors, _, _ = socket.recv_fds(end, peer.HEAD, 1)
    rest = peer.read(end, 4 * COUNT)
    header = header_of(words)
    assert (header["kind"], header["slot"]) == (peer.DATA, 0)  # not yet
    assert rest == np.full(COUNT, 3, np.float32).tobytes() and os.fstat(descriptors[0]).st_size == SIZE
    end.sendall(
        peer.frame(kind=peer.PULSE, received=1, slot=1, **BLANK) + peer.frame(payload=data, received=1, **ELEMENTS)
    )
    assert_all(mix.wait(), 1.5)
    mix = Mix(values=np.full(COUNT, 5, np.float32))
    header = next_header(end)
    while header["kind"] != peer.DATA:
        header = next_header(end)
    assert header["slot"] == 1
    memory = mmap.mmap(descriptors[0], SIZE)
    assert memory[PAGE : PAGE + 4 * COUNT] == np.full(COUNT, 5, np.float32).tobytes()
    end.sendall(peer.frame(payload=data, sequence=1, received=2, **ELEMENTS))
    assert_all(mix.wait(), 2.5)


@pytest.mark.parametrize("wrong", [dict(size=SIZE - 1), dict(seals=0), dict(size=0)])
def test_what_is_no_shelf_is_not_taken(serve, wrong):
    _, door = serve(shares=True)
    end = peer.connect(None, KEY, door=door)
    before = len(os.listdir("/proc/self/fd"))
    descriptor = shelf(**wrong)
    hand_over(end, descriptor)
    os.close(descriptor)
    end.sendall(peer.frame(bytes=4 * COUNT, slot=1, **ELEMENTS))
    assert peer.is_closed(end)
    wait_until(lambda: library.counters()["protocol_errors"] == 1)
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    "fields", [dict(slot=33), dict(slot=1, kind=peer.LETTER), dict(slot=2, kind=peer.PULSE, bytes=0)]
)
def test_slots_that_cannot_be_end_the_connection(serve, fields):
    _, door = serve(shares=True)
    end = peer.connect(None, KEY, door=door)
    hand_over(end, shelf())
    end.sendall(peer.frame(**{**ELEMENTS, "bytes": 4 * COUNT, **fields}))
    assert peer.is_closed(end)
    wait_until(lambda: library.counters()["protocol_errors"] == 1)


def test_a_strangers_knock_at_the_door_is_refused(serve):
    _, door = serve(shares=True)
    end = peer.knocked_at(door)
    end.sendall(peer.knock(bytes(32)))
    assert peer.is_closed(end)
    wait_until(lambda: library.counters()["connections_refused"] == 1)
