"""Ports that tests listen at."""

import contextlib
import random
import socket


def free_port(count=1):
    """A port that nobody uses now, the first of so many; of those that the system gives to nobody who asks for any."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with contextlib.ExitStack() as listeners, contextlib.suppress(OSError):
            for number in range(port, port + count):
                listeners.enter_context(socket.create_server(("127.0.0.1", number)))
            return port
