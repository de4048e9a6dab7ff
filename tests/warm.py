"""`python tests/warm.py SOCKET ARGUMENTS...` does what `python ARGUMENTS...` does, with TensorFlow loaded already.

Loading it takes a core some 6 seconds, and the tests start well over a hundred processes. So a server, which has loaded
it and nothing else (one thread, no runtime yet), forks for each call: a process of its own with the caller's folder,
environment, standard streams and process group, whose exit code and death by a signal are the caller's.
"""

import contextlib
import gc
import os
import pickle
import runpy
import select
import signal
import socket
import struct
import sys

_LENGTH = struct.Struct("!i")
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def serve(path):
    """Fork for everyone who calls at the socket `path`, until killed."""
    import sklearn.datasets
    import tensorflow_datasets

    import tfdgan.evaluation
    import tfdgan.training.loop

    del sklearn, tensorflow_datasets, tfdgan
    gc.freeze()  # or collecting garbage would copy all of it in every fork
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks that look after a call
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return _look_after(connection)
            connection.close()


def _look_after(connection):
    """Fork once more for the call itself; tell the caller how it ended, end it when the caller is gone."""
    message, streams, *_ = socket.recv_fds(connection, _LENGTH.size, 3)
    (length,) = _LENGTH.unpack(message)
    arguments, folder, variables = pickle.loads(_exactly(connection, length))
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        return _be(arguments)
    ended = os.pidfd_open(child)
    while ended not in select.select([connection, ended], [], [])[0]:
        number = connection.recv(1)  # of a signal; nothing: the caller is gone
        os.kill(child, number[0] if number else signal.SIGKILL)
        if not number:
            break
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(_LENGTH.pack(os.waitstatus_to_exitcode(status)))


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
    with connection.makefile("rb") as file:
        return file.read(length)


def call(path, arguments):
    """Have the server do `python ARGUMENTS...`; end as it ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        message = pickle.dumps((arguments, os.getcwd(), dict(os.environ)))
        socket.send_fds(connection, [_LENGTH.pack(len(message))], [0, 1, 2])
        connection.sendall(message)
        for number in _PASSED_ON:
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
