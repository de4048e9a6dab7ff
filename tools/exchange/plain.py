"""The yardstick: the same bytes between the same neighbours, by plain sockets and nothing else."""

import selectors
import socket

import horovod.tensorflow as hvd
import numpy as np

from tfdgan.distributed import collectives


class PlainRing:
    """Sends `size` float32 to both neighbours of a ring and receives theirs, in one thread, into standing buffers.

    `through`: (ip, port) -> port of a way there, for the learners that dial.
    """

    def __init__(self, size, through=lambda ip, port: port):
        rank, learners = hvd.rank(), hvd.size()
        around = sorted({(rank - 1) % learners, (rank + 1) % learners})
        listener = socket.create_server(("127.0.0.1", 0))
        ports = collectives.gather_at_start(listener.getsockname()[1], f"plain.{size}")
        sockets = {}
        for peer in around:
            if rank < peer:
                sockets[peer] = socket.create_connection(("127.0.0.1", through("127.0.0.1", ports[peer])))
                sockets[peer].sendall(bytes([rank]))
        while len(sockets) < len(around):
            end, _ = listener.accept()
            sockets[end.recv(1)[0]] = end
        listener.close()
        self._out = memoryview(np.ones(size, np.float32)).cast("B")
        self._in = {end: memoryview(np.zeros(size, np.float32)).cast("B") for end in sockets.values()}
        for end in self._in:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)

    def exchange(self):
        """One exchange; returns when all is sent and received."""
        total = len(self._out)
        sent, received = dict.fromkeys(self._in, 0), dict.fromkeys(self._in, 0)
        with selectors.EpollSelector() as selector:
            for end in self._in:
                selector.register(end, selectors.EVENT_READ | selectors.EVENT_WRITE)
            left = len(self._in)
            while left:
                for key, events in selector.select():
                    end = key.fileobj
                    if events & selectors.EVENT_WRITE and sent[end] < total:
                        sent[end] += end.send(self._out[sent[end] :])
                        if sent[end] == total:
                            selector.modify(end, selectors.EVENT_READ)
                    if events & selectors.EVENT_READ and received[end] < total:
                        received[end] += end.recv_into(self._in[end][received[end] :])
                    if sent[end] == received[end] == total:
                        selector.unregister(end)
                        left -= 1

    @property
    def arrays(self):
        """(what it sends, [what has come from each neighbour]), float32."""
        return np.frombuffer(self._out, np.float32), [np.frombuffer(b, np.float32) for b in self._in.values()]

    def close(self):
        for end in self._in:
            end.close()
