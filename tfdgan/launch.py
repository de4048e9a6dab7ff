"""The command `tfdgan launch`: horovodrun with a screen for people.

    tfdgan launch -np 8 train --preset=cifar
    tfdgan launch -np 8 -H host1:4,host2:4 train --flagfile=my.flags

What stands before the command's name goes to horovodrun as it is, after --gloo unless --mpi is
given; horovodrun --help lists such options. Lines of the first learner have no prefix, those of
learner 3 begin with [3]; TensorFlow's own lines are left out; progress is a bar on a terminal; an
error is the last line, and its exit code is 2. After Ctrl-C or SIGTERM the learners of this host
have a minute to save; those of other hosts stop with them.
"""

import importlib
import importlib.util
import queue
import signal
import subprocess
import sys
import threading
from typing import IO

from tfdgan.cli import command
from tfdgan.cli.launching.lines import parsed
from tfdgan.cli.launching.screen import Screen
from tfdgan.errors import UserError
from tfdgan.options.names import meant

_COMMANDS = ("train", "supervise", "evaluate")
_OF_ONE = ("generate", "export", "report", "compare", "doctor", "launch")
_USAGE = f"usage: tfdgan launch -np NUMBER [OPTION ...] {'|'.join(_COMMANDS)} [--FLAG=VALUE ...]"
_HELP = {"-h", "--help"}


def main(argv: list[str]) -> None:
    """Start the job, show what it says, and end as it ends."""
    options, words = _split(argv[1:])
    if importlib.util.find_spec("horovod") is None:
        raise UserError("launch: Horovod is not there; tfdgan doctor --fix installs it")
    by = [] if {"--mpi", "--gloo", "--jsrun"} & set(options) else ["--gloo"]
    learner = [sys.executable, "-m", f"tfdgan.{words[0]}", *words[1:]]
    screen = Screen(sys.stderr.isatty(), goes_on=words[0] == "supervise", verbose="--verbose" in options)
    raise SystemExit(_run([sys.executable, "-m", "tfdgan.cli.launching.horovodrun", *by, *options, *learner], screen))


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """(horovodrun's options, the command and its flags)."""
    place = next((n for n, word in enumerate(words) if word in _COMMANDS), None)
    if _HELP & set(words[:place]):
        print(f"{_USAGE}\n\n{(__doc__ or '').strip()}")
        raise SystemExit(0)
    if place is None:
        if alone := next((word for word in words if word in _OF_ONE), None):
            raise UserError(f"launch: {alone} is for one process: call tfdgan {alone} without launch")
        found = next((near for word in words if (near := meant(word, _COMMANDS, otherwise=""))), "")
        given = f"; give one of {', '.join(_COMMANDS)}, as tfdgan launch -np 2 train ..."
        raise UserError(f"launch: no command{found or given}")
    if _HELP & set(words[place:]):
        importlib.import_module(f"tfdgan.{words[place]}").main([f"tfdgan {words[place]}", "--help"])
    _check_learners(words[:place])
    return words[:place], words[place:]


def _check_learners(options: list[str]) -> None:
    """Raise `UserError` unless horovodrun's options say how many learners there are."""
    place = next((n for n, word in enumerate(options) if word.split("=")[0] in ("-np", "--num-proc")), None)
    if place is None:
        given = " ".join(["launch", *options])
        raise UserError(f"{given}: how many learners? give -np, as tfdgan launch -np 2 train ...")
    name, _, number = options[place].partition("=")
    number = number or next(iter(options[place + 1 :]), "")
    if not number.isdecimal() or int(number) < 1:
        raise UserError(f"launch: {name} {number}: give a whole number, at least 1")


def _run(words: list[str], screen: Screen) -> int:
    """Run horovodrun, and show its lines until it ends; returns the exit code.

    horovodrun has a session of its own, so a terminal's Ctrl-C reaches this process alone. SIGTERM, Ctrl-C and a closed
    terminal become horovodrun's SIGTERM, by which learners save and end; a second Ctrl-C ends them at once.
    """
    job: subprocess.Popen[str] | None = None
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        if job and asked.count(signal.SIGINT) > 1:
            job.kill()  # learners get a second SIGTERM from the processes between
        elif job:
            job.terminate()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ask)
    pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    job = subprocess.Popen(words, **pipes, text=True, errors="replace", start_new_session=True)  # type: ignore[call-overload]
    try:
        if asked:
            job.terminate()
        _show(job, screen)
    except BaseException:
        job.terminate()
        job.wait()
        raise
    code = job.wait()
    return screen.close(code if code >= 0 else 128 - code, was_asked=bool(asked))


def _show(job: subprocess.Popen[str], screen: Screen) -> None:
    """Show both streams of the job until they end."""
    said: queue.SimpleQueue[tuple[str, bool] | None] = queue.SimpleQueue()
    for stream, is_error in ((job.stdout, False), (job.stderr, True)):
        threading.Thread(target=_read, args=(stream, is_error, said), daemon=True).start()
    left = 2
    while left:
        found = said.get()
        if found is None:
            left -= 1
        else:
            screen.show(parsed(*found))


def _read(stream: IO[str], is_error: bool, said: queue.SimpleQueue[tuple[str, bool] | None]) -> None:
    """Hand over a stream's lines, and at last None."""
    for line in stream:
        said.put((line.rstrip("\r\n"), is_error))
    said.put(None)


if __name__ == "__main__":
    command.run(main, sys.argv)
