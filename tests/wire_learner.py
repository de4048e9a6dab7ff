"""The learner under test: the transport of this process, and mixes on it, whose neighbour a test plays."""

import struct
import threading
import time

import numpy as np
import tensorflow as tf
import wire_peer as peer

from tfdgan.gossip.native import library

KEY = bytes(range(32))
SHAPES = peer.fnv(b"[3];")  # of one tensor of three numbers


def serving():
    """For a fixture: yields start(timeout, degrade) -> port of learner 1 of 2, whose learner 0 is the test.

    With `shares`: (port, door).
    """

    def start(timeout=60.0, degrade=False, shares=False):
        port, door = library.listen("127.0.0.1", 0, shares)
        learners = [
            library.Learner(host, "127.0.0.1", p, True, 0) for host, p in (("otherhost", 1), ("thishost", port))
        ]
        library.start(1, learners, KEY, timeout, degrade)
        return (port, door) if shares else port

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


def wait_until(condition, seconds=5):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
