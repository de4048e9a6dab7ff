"""Learners of a lab's run that are killed at random, and what those hold that live."""

import contextlib
import json
import random
import threading
import time

import psutil

_BEGIN = 20.0  # seconds from the first tick to the first kill
_LOOK = 20.0  # seconds from one look at what processes hold to the next
_NO_LEARNER = "tfdgan.supervise"


class Killer(threading.Thread):
    """Kills a learner of a run every so many seconds, once training has begun, and notes when.

    What the learners hold is written to resources.jsonl of the workdir as time passes.

    Args:
      workdir: of the run, which stands in the learners' command lines.
      program: another part of those command lines, and of no other's.
      has_begun: function () -> whether training has begun.
      every: seconds; 0: nobody is killed.
      minutes: how long.
      seed: of the choice.

    Attributes:
      kills: [(wall time, rank)].
    """

    def __init__(self, workdir, program, has_begun, every, minutes, seed):
        super().__init__(daemon=True)
        self._workdir, self._program, self._has_begun = workdir, program, has_begun
        self._every, self._minutes, self._random = every, minutes, random.Random(seed)
        self._over = threading.Event()
        self.kills = []

    def run(self):
        while not self._has_begun():
            if self._over.wait(1):
                return
        begin = time.monotonic()
        until, kill, look = begin + 60 * self._minutes, begin + _BEGIN + self._every, begin
        while not self._over.wait(max(0.0, min(kill if self._every else look, look) - time.monotonic())):
            if time.monotonic() >= look:
                self._look()
                look += _LOOK
            if self._every and time.monotonic() >= kill:
                if time.monotonic() < until:
                    self._kill()
                kill += self._every

    def _kill(self):
        found = learners(self._workdir, self._program)
        if len(found) > 1:
            rank = self._random.choice(sorted(found))
            found[rank].kill()
            self.kills.append((time.time(), rank))
            print(f"  killed learner {rank}; {len(found) - 1} processes are left", flush=True)

    def _look(self):
        for rank, process in learners(self._workdir, self._program).items():
            with contextlib.suppress(psutil.Error):
                held = {
                    "time": time.time(),
                    "rank": rank,
                    "process": process.pid,
                    "seconds": time.time() - process.create_time(),
                    "bytes": process.memory_info().rss,
                    "files": process.num_fds(),
                    "threads": process.num_threads(),
                }
                with open(f"{self._workdir}/resources.jsonl", "a") as file:
                    file.write(json.dumps(held) + "\n")

    def end(self):
        self._over.set()
        self.join()


def learners(workdir, program):
    """{rank: process} of a run's learners, those that are coming back included, without their supervisors."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            is_learner = program in line and _NO_LEARNER not in line
            if is_learner and f"--workdir={workdir}" in line and "HOROVOD_RANK" in (variables := process.environ()):
                found[int(variables["HOROVOD_RANK"])] = process
    return found
