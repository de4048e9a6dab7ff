"""The native exchange told its link's rate, against two learners of our own: no more leaves, and connections share."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import wire_peer as peer

from tfdgan.gossip import topology
from tfdgan.gossip.native import bootstrap, library

KEY = bytes(range(32))
COUNT, CHUNKS = 655_360, 10  # float32 to each, 2.62 MB
RATE = 1e6  # bytes/s; the kernel lets the first ten frames of a connection pass unpaced, on loopback .65 MB


@pytest.fixture
def send():
    """send(rate, hosts, chunks) -> seconds until both neighbours have so many chunks each of a mix of learner 2, on
    "here", of 3."""

    def run(rate, hosts, chunks=(CHUNKS, CHUNKS)):
        port, _ = library.listen("127.0.0.1")
        learners = [library.Learner(host, "127.0.0.1", 1, host == "here", 0) for host in hosts]
        learners.append(library.Learner("here", "127.0.0.1", port, True, 0))
        library.start(2, learners, KEY, 60.0, False, rate)
        ends = [peer.connect(port, KEY, rank, listener=2, size=3) for rank in (0, 1)]
        sizes = [min(4 * COUNT, count * peer.CHUNK) + peer.HEAD * count for count in chunks]
        for end, count in zip(ends, chunks, strict=True):
            end.sendall(peer.frame(kind=peer.CREDIT, chunk=count))
        begun = time.monotonic()
        mixing = threading.Thread(target=mix)
        mixing.start()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            received = list(pool.map(lambda end, size: len(peer.read(end, size)), ends, sizes))
        took = time.monotonic() - begun
        assert received == sizes
        for end in ends:
            end.close()
        mixing.join(20)
        assert not mixing.is_alive()
        return took

    yield run
    library.stop()


def mix():
    order = tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name="order")
    peers = ([0, 1], [2], [0, 1], [2], [0.3, 0.3])
    values = tf.constant(np.zeros(COUNT, np.float32))
    try:
        pending = library.ops().tfdgan_mix_start([values], *peers, 0, "test", order, wire=tf.float32)
        library.ops().tfdgan_mix_finish(pending, N=1, T=tf.float32, shapes=[values.shape])
    except tf.errors.OpError:
        pass  # its neighbours never send anything


def test_connections_share_the_rate(send):
    """5.24 MB, of which 1.3 MB may pass at once: 3.8 s; at RATE each it would take 1.9 s, at a quarter of
    RATE each 7.6 s."""
    assert 3.0 < send(RATE, ["there", "elsewhere"]) < 7.0


def test_what_one_connection_does_not_need_the_other_has(send):
    """3.4 MB, of which 1.3 MB may pass at once: 1.9 s; at half of the rate to the end the larger would take 3.8 s."""
    assert 1.5 < send(RATE, ["there", "elsewhere"], chunks=(3, CHUNKS)) < 3.0


def test_who_shares_a_hosts_link():
    """In a ring over two hosts of four, those at the ends; 0 has a neighbour 4 steps away in the exponential ones."""
    hosts = ["a"] * 4 + ["b"] * 4
    for name, expected in {"ring": 2, "complete": 4, "one_peer_exponential": 4, "star": 1}.items():
        schedule = topology.make_schedule(name, 8)
        assert bootstrap.senders(hosts, 1, schedule) == expected, name
    assert bootstrap.senders(hosts, 5, topology.make_schedule("star", 8)) == 4  # all have the hub, learner 0, elsewhere
    assert bootstrap.senders(hosts, 1, topology.make_schedule("ring", 8, random=True)) == 4
    assert bootstrap.senders(hosts, 1) == 4
    assert bootstrap.senders(["a"] * 8, 1, topology.make_schedule("ring", 8)) == 0


def test_whom_a_learner_connects_to_before_the_first_mix():
    assert bootstrap._neighbours(0, 8, topology.make_schedule("ring", 8)) == [1, 7]
    assert bootstrap._neighbours(0, 8, topology.make_schedule("one_peer_exponential", 8)) == [1, 2, 4, 6, 7]
    assert bootstrap._neighbours(2, 4, topology.make_schedule("ring", 4, random=True)) == [0, 1, 3]
    assert bootstrap._neighbours(0, 65, topology.make_schedule("ring", 65, random=True)) == []
    assert bootstrap._neighbours(0, 8, None) == []


def test_neighbours_on_the_same_host_use_no_link(send):
    """2.56 MB by the link, beside as much that is not paced."""
    assert 1.5 < send(RATE, ["there", "here"]) < 3.0


def test_without_a_rate_nothing_is_held_back(send):
    assert send(0.0, ["there", "elsewhere"]) < 1.5
