"""A link that waits: a relay between two sockets that holds every byte for a while. It needs hardly any CPU.

    python tools/exchange/relay.py IP PORT MILLISECONDS

Prints the port at which it listens and passes one connection on to IP:PORT. Ends when its standard input does.
"""

import collections
import selectors
import socket
import sys
import time


def serve(target, seconds):
    """Pass one connection on to `target`, each way `seconds` later, until either end closes."""
    listener = socket.create_server((target[0], 0))
    print(listener.getsockname()[1], flush=True)
    ends = [listener.accept()[0], socket.create_connection(target)]
    selector = selectors.DefaultSelector()
    held = {end: collections.deque() for end in ends}  # (when to send it, bytes) for each receiver
    for end, other in zip(ends, reversed(ends), strict=True):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(end, selectors.EVENT_READ, other)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        due = min((queue[0][0] for queue in held.values() if queue), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic())
        for key, _ in selector.select(wait):
            if key.fileobj is sys.stdin:
                return
            data = key.fileobj.recv(1 << 20)
            if not data:
                return
            held[key.data].append((time.monotonic() + seconds, data))
        for end, queue in held.items():
            while queue and queue[0][0] <= time.monotonic():
                end.sendall(queue.popleft()[1])


if __name__ == "__main__":
    serve((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]) / 1000)
