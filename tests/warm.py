"""`python tests/warm.py SOCKET ARGUMENTS...` does what `python ARGUMENTS...` does, with TensorFlow loaded already.

Loading it takes a core some 6 seconds, and the tests start well over a hundred processes. So a server, which has loaded
it and nothing else (one thread, no runtime yet), forks for each call: a process of its own, with the caller's folder,
environment and standard streams, in the server's process group, named "call PID" with the caller's number. The caller
passes SIGTERM, SIGINT and SIGHUP on and ends as it ended; it ends when the caller does. All such processes hash texts
alike, which ones started cold do not. Nor do they optimize the graphs that they trace, which takes a third of a short
run's time, unless TFDGAN_TEST_GRAPHS=optimized. The server ends with its standard input.
"""

import atexit
import contextlib
import gc
import os
import pickle
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

_LENGTH = struct.Struct("!i")


def serve(path):
    """Fork for everyone who calls at the socket `path`, until killed."""
    collect_garbage_rarely()
    import sklearn.datasets

    import tfdgan.cli.score_checkpoints
    import tfdgan.tasks.image.task
    import tfdgan.tasks.style_transfer.task
    import tfdgan.tasks.text.task

    del sklearn, tfdgan
    gc.freeze()  # or collecting garbage would copy all of it in every fork
    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        raise RuntimeError(f"warm.py: {len(threads)} threads are there already; a fork of them could hang")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks that look after a call
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(64)
        os.rename(f"{path}.new", path)  # who finds it can call
        while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
            connection, _ = ready[0].accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return _look_after(connection)
            connection.close()


def started():
    """The socket of a server of its own, which ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="tfdgan-tests-")
    path, root = os.path.join(folder.name, "warm"), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    variables = {**os.environ, "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, "-u", __file__, path], stdin=subprocess.PIPE, env=variables, cwd=root)
    atexit.register(folder.cleanup)
    atexit.register(server.stdin.close)  # which ends it, as the end of this process would
    deadline = time.monotonic() + 120
    while not os.path.exists(path):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("warm.py has ended, or takes for ever")
        time.sleep(0.1)
    return path


def collect_garbage_rarely():
    """Loading and tracing make so many objects that collecting garbage takes a sixth of their time."""
    gc.set_threshold(100_000, 10, 10)


def _look_after(connection):
    """Fork once more for the call itself; tell the caller how it ended, end it when the caller is gone."""
    message, streams, *_ = socket.recv_fds(connection, _LENGTH.size, 3)
    arguments, folder, variables = pickle.loads(_exactly(connection, *_LENGTH.unpack(message)))
    child = os.fork()
    if child == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        with open("/proc/self/comm", "w") as name:
            name.write(f"call {_caller(connection)}")
        connection.close()
        np.random.seed(int.from_bytes(os.urandom(4), "little"))
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
        if os.environ.get("TFDGAN_TEST_GRAPHS") != "optimized":
            sys.modules["tensorflow"].config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        return _be(arguments)
    ended = os.pidfd_open(child)
    while ended not in select.select([connection, ended], [], [])[0]:
        try:
            number = connection.recv(1)  # of a signal
        except ConnectionError:
            number = b""
        if not number:  # the caller is gone
            os.kill(child, signal.SIGKILL)
            break
        os.kill(child, number[0])
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(_LENGTH.pack(os.waitstatus_to_exitcode(status)))


def _caller(connection):
    """The number of the process at the other end."""
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def _be(arguments):
    """Do what `python ARGUMENTS...` does."""
    kind, *rest = arguments
    first = os.getcwd() if kind in ("-m", "-c") else os.path.dirname(os.path.abspath(kind))
    sys.path[:] = [first, *_given_paths(), *_INSTALLED]
    sys.argv = rest if kind == "-m" else arguments
    if kind == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        exec(rest[0], {"__name__": "__main__"})
    else:
        runpy.run_path(kind, run_name="__main__")


def _given_paths():
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _exactly(connection, length):
    """The next `length` bytes and none of what follows."""
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise ConnectionError("warm.py: the other end is gone")
        found += more
    return found


def call(path, arguments):
    """Have the server do `python ARGUMENTS...`; end as it ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        message = pickle.dumps((arguments, os.getcwd(), dict(os.environ)))
        socket.send_fds(connection, [_LENGTH.pack(len(message))], [0, 1, 2])
        connection.sendall(message)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
        (code,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if code < 0:
        with contextlib.suppress(OSError):  # of SIGKILL, which needs no such thing
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    _INSTALLED = [path for path in sys.path[1:] if path not in _given_paths()]
    if sys.argv[2:]:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
