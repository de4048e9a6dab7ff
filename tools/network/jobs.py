"""Jobs of several learners that end with the process that started them."""

import os
import shutil
import signal
import subprocess
import sys

from tfdgan.errors import UserError

GRACE = 15.0  # seconds; horovodrun gives its learners 5, and takes as long again for those that stay


def launcher():
    """The path of horovodrun: beside this Python, or on PATH."""
    found = shutil.which("horovodrun", path=f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}")
    if not found:
        raise UserError("horovodrun is not on PATH: tools/build_horovod.sh makes it")
    return found


def end_by_signals():
    """Let SIGTERM end this process as an exception does, with all that it has to clean up; and Ctrl-C, with a word."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(number, _):
    signal.signal(number, signal.SIG_DFL)  # a second one is not waited for
    print(f"{signal.Signals(number).name}: ending what runs, which may take {2 * GRACE:.0f} s", file=sys.stderr)
    raise SystemExit(128 + number)


def run(command, **options):
    """The exit code of a command, started as `subprocess` takes options; it ends if the wait for it is interrupted."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
