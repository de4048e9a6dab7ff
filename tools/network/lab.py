"""Learners in network namespaces of their own, joined by links of a rate and a delay:

    with Lab(learners=8, rate=100e6, delay=0.02) as lab:
        lab.check()
        lab.run(["python", "-m", "tfdgan.train", "--flagfile=configs/digits.flags"], cwd=..., stdout=...)
        lab.set_links(rate=20e6, delay=0.05, slow={3: (5e6, None)})
        ...

Rates are bit/s, delays seconds one way from learner to learner. Root and Linux. What runs in a lab ends with it, and
a lab ends with its process, however that ends; labs do not see each other, the host's network, or what lies beyond.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import psutil

from tfdgan.errors import UserError
from tools.network import jobs, links, namespaces, probe

_MOST_LEARNERS = 250  # of one network of addresses
_ROOT = pathlib.Path(__file__).parents[2]
_BIN = pathlib.Path(__file__).parent / "bin"
_NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_NEEDED = ("ip", "tc", "mount", "unshare", "nsenter")  # iproute2, util-linux
_MOST_WINDOW = 2**31 - 1  # bytes, of what Linux takes
_ATTEMPTS = 3  # at a check


class Lab:
    """`by`: netem, tap (a switch in user space), or auto, which is netem where the kernel has it."""

    def __init__(self, learners, rate, delay, slow=None, by="auto"):
        if not 2 <= learners <= _MOST_LEARNERS:
            raise UserError(f"learners {learners}: a network joins 2 to {_MOST_LEARNERS}")
        self._star = _star(learners, rate, delay, slow)
        if os.geteuid():
            raise UserError(f"user {os.geteuid()}: making networks takes root")
        missing = [name for name in _NEEDED if not shutil.which(name)]
        if missing:
            raise UserError(f"{missing[0]} is not on PATH: install iproute2 and util-linux")
        self._learners, self._by = learners, by
        self._keeper = None

    def __enter__(self):
        command = ["unshare", *_NAMESPACES, sys.executable, "-m", "tools.network.keeper"]
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        # A session of its own: Ctrl-C is for this process, which ends what runs in the lab before the lab.
        self._keeper = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            self._ask(learners=self._learners, mtu=links.MTU, by=self._by)
            (self._first,) = psutil.Process(self._keeper.pid).children()
            self._send_links()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """The keeper ends, and with it all processes of the lab and everything that was made."""
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(jobs.GRACE)
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # with its child
            self._keeper.wait()
        self._keeper.stdout.close()

    def _ask(self, **request):
        """The keeper's answer."""
        try:
            self._keeper.stdin.write(json.dumps(request) + "\n")
            self._keeper.stdin.flush()
            line = self._keeper.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise UserError(f"the network's keeper has ended with {self._keeper.wait()}: it says why above")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"])
        return answer

    def _send_links(self):
        longest = max(link.hold for link in self._star)
        each = [(link.rate, link.hold, links.queue_bytes(link, longest)) for link in self._star]
        self._ask(links=each, window=links.window_bytes(self._star))

    def set_links(self, rate, delay, slow=None):
        """Other links for what runs next."""
        self._star = _star(self._learners, rate, delay, slow)
        self._send_links()

    def report(self):
        """{frames: passed on, dropped: frames, cpu: seconds of the switch}, since the lab was made."""
        return self._ask()

    def _path(self, rank):
        return f"/proc/{self._first.pid}/root{namespaces.FOLDER}/{namespaces.name(rank)}"

    @property
    def learners(self):
        """How many."""
        return self._learners

    def check(self, say=print):
        """Measure round trips and rates around the ring, say them, and raise `UserError` unless they are as asked.

        What is not is measured again, twice at most: the machine may have been busy for a moment.
        """
        for measure in (probe.round_trips, probe.rates):
            for _ in range(_ATTEMPTS):
                found = measure(self._path, self._star)
                say(str(found))
                if found.within:
                    break
            else:
                raise UserError(f"the network does not hold what was asked, {found}; free the cores, or ask for less")

    def run(self, command, environment=None, cwd=None, **streams):
        """Run a command on all learners under horovodrun, launched on learner 0: the finished process.

        `streams` is what `subprocess` takes: stdout, stderr, text. What is still running in the lab when horovodrun
        has ended, or when the wait for it is interrupted, ends with the lab.
        """
        hosts = ",".join(f"{namespaces.name(rank)}:1" for rank in range(self._learners))
        # Interfaces are told, so that horovodrun looks for none, and nothing of hosts that do not stay is kept.
        line = [
            jobs.launcher(),
            "--gloo",
            "-np",
            str(self._learners),
            "-H",
            hosts,
            "--network-interface",
            namespaces.DEVICE,
        ]
        return self.run_on(0, [*line, "--disable-cache", *command], environment, cwd, **streams)

    def run_on(self, rank, command, environment=None, cwd=None, **streams):
        """Run a command on one learner, by itself: the finished process."""
        variables = {**os.environ, **(environment or {})}
        variables["PATH"] = f"{_BIN}:{variables.get('PATH', os.defpath)}"
        line = ["nsenter", "--target", str(self._first.pid), "--mount", "--net", "--pid"]
        line += ["sh", str(_BIN / "enter"), namespaces.name(rank), cwd or os.getcwd(), *command]
        process = subprocess.Popen(line, env=variables, stdin=subprocess.DEVNULL, start_new_session=True, **streams)
        try:
            output, errors = process.communicate()
        except BaseException:
            _end(process)
            raise
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def interrupt(self, rank, seconds):
        """Take a learner's link down for a while: nothing passes, and nobody is told."""
        script = f"ip link set {namespaces.DEVICE} down && sleep {seconds} && ip -batch -"
        up = "\n".join(namespaces.lines_up(rank, self._learners))
        done = self.run_on(rank, ["sh", "-c", f"echo '{up}' | ({script})"])
        if done.returncode:
            raise UserError(f"the link of learner {rank} did not come up again")


def _star(learners, rate, delay, slow):
    made = links.star(learners, rate, delay, slow)
    slowest, window = min(link.rate for link in made), links.window_bytes(made)
    if slowest < probe.LEAST_RATE:
        raise UserError(
            f"rate {slowest:g} bit/s: frames of {links.MTU} bytes would take {8 * links.MTU / slowest:.0f} s each; at "
            f"least {probe.LEAST_RATE / 1e3:g}kbit"
        )
    if window > _MOST_WINDOW:
        raise UserError(
            f"rate {rate:g} bit/s and delay {delay:g} s: TCP would need {window:.2g} bytes on the way; at most 2 GiB"
        )
    return made


def _end(process):
    """Ask what nsenter has started to end, give it time to."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            child.send_signal(signal.SIGTERM)
    try:
        process.wait(jobs.GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
