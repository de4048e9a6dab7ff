"""An exchange with a key of the user's, at ports of the user's, encrypted though all is on one host."""

import socket
import threading
import time

import horovod.tensorflow as hvd
import pytest
import tensorflow as tf
from ports import free_port

from distributed.closed_form import LARGE, inputs
from tfdgan import gossip
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tfdgan.gossip.native import bootstrap, library
from tfdgan.gossip.native.assembly import Assembly

N, RANK = hvd.size(), hvd.rank()


def settings(tmp_path, key="5" * 64, **others):
    file = tmp_path / "key"
    file.write_text(key + "\n")
    file.chmod(0o600)
    return bootstrap.Settings(wire_security="encrypted", wire_key_file=str(file), **others)


def test_learners_with_different_keys_hear_which(tmp_path):
    with pytest.raises(UserError, match="^wire_key_file: learner 1 has another key than learner 0; copy one to all"):
        bootstrap.start(settings(tmp_path, key=str(RANK) * 64))


def test_what_only_one_learner_gets_wrong_is_everybodys_error(tmp_path):
    given = settings(tmp_path, gossip_listen="192.0.2.1:7000" if RANK == 1 else "")  # an address of nobody's
    with pytest.raises(UserError, match="^learner 1: .*cannot listen on 192.0.2.1 port 7001"):
        bootstrap.start(given)


def test_mixes_equal_horovods_bit_for_bit(tmp_path):
    """Learner 1 is behind a router that forwards a port."""
    port = collectives.gather(free_port(2) if RANK == 0 else None, "port")[0]
    places = {"gossip_listen": f"127.0.0.1:{port}"}
    if RANK == 1:
        places["gossip_advertise"] = f"localhost:{_forwarded(port + 1) - hvd.local_rank()}"
    bootstrap.start(settings(tmp_path, **places), topology.make_schedule("ring", N))
    assert library.can_seal()
    until = time.monotonic() + 20
    while library.silent_for(1 - RANK) is None:  # neighbours are connected before the first mix
        assert time.monotonic() < until
        time.sleep(0.01)
    tensors = [tf.constant(array) for array in inputs(RANK, LARGE)]
    for rounds in (1, 2):
        for wire in ("float32", "bfloat16"):
            schedule = topology.make_schedule("ring", N)
            arguments = dict(step=rounds, rounds=rounds, wire_dtype=wire)
            mixed = gossip.mix(tensors, schedule, backend="native", **arguments)
            for ours, theirs in zip(mixed, gossip.mix(tensors, schedule, backend="horovod", **arguments), strict=True):
                assert ours.numpy().tobytes() == theirs.numpy().tobytes()
    assert Assembly(30, False).gather(RANK) == list(range(N))
    counted = library.counters()
    assert not counted["protocol_errors"] and not counted["reconnections"]


def _forwarded(port):
    """A port of this learner's from which every connection is passed on to `port`, by threads that end with it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(source, target):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def serve():
        while True:
            near, far = listener.accept()[0], socket.create_connection(("127.0.0.1", port))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]
