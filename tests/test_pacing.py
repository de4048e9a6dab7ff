"""The native exchange told its link's rate, against two learners of our own: no more leaves, and connections share."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import wire_peer as peer

from tfdgan.gossip.native import library

KEY = bytes(range(32))
COUNT, CHUNKS = 640_000, 40  # float32 to each, 2.56 MB
RATE = 1e6  # bytes/s; the kernel lets the first ten frames of a connection pass unpaced, on loopback .65 MB


@pytest.fixture
def send():
    """send(rate, hosts) -> seconds until both neighbours have all of a mix of learner 2, on "here", of 3."""

    def run(rate, hosts):
        port = library.listen("127.0.0.1")
        learners = [(host, "127.0.0.1", 1) for host in hosts] + [("here", "127.0.0.1", port)]
        library.start(2, learners, KEY, 60.0, False, rate)
        ends = [peer.connect(port, KEY, rank, listener=2, size=3) for rank in (0, 1)]
        for end in ends:
            end.sendall(peer.frame(kind=peer.CREDIT, chunk=CHUNKS))
        begun = time.monotonic()
        mixing = threading.Thread(target=mix)
        mixing.start()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            received = list(pool.map(lambda end: len(peer.read(end, 4 * COUNT + 64 * CHUNKS)), ends))
        took = time.monotonic() - begun
        assert received == [4 * COUNT + 64 * CHUNKS] * 2
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
    """5.12 MB, of which 1.3 MB may pass at once: 3.8 s; at RATE each it would take 1.9 s."""
    assert 3.0 < send(RATE, ["there", "elsewhere"])


def test_neighbours_on_the_same_host_use_no_link(send):
    """2.56 MB by the link, beside as much that is not paced."""
    assert 1.5 < send(RATE, ["there", "here"]) < 3.0


def test_without_a_rate_nothing_is_held_back(send):
    assert send(0.0, ["there", "elsewhere"]) < 1.5
