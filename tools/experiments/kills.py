"""Learners that are killed at random and come back, over a lab's links: what it costs a run. Root, Linux.

    python tools/experiments/kills.py --output=runs/kills --every=60 --learners=8 --rate=100mbit --delay=20ms \\
        -- --flagfile=configs/gaussians.flags --steps=20000

The job runs once undisturbed and then, per --every, with one learner at random killed each so many seconds (SIGKILL;
its supervisor starts it again). Of each run are shown: its exit code; the learner-steps that were taken, as a share of
what the undisturbed run's pace makes of the learners that were there; seconds from a death to the comeback, starting
TensorFlow included; and the scores. Runs that are there are not made again.
"""

import contextlib
import json
import os
import random
import re
import sys
import threading
import time

import numpy as np
import psutil
import tensorflow as tf
from absl import flags
from tensorflow.core.util import event_pb2

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.storage import files
from tools.network import links
from tools.network.lab import Lab

_ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # a lab's learners share the cores
_BEGIN = 20.0  # seconds from the first tick to the first kill


def _define(flag_values):
    flags.DEFINE_string("output", None, "Folder for the runs and kills.md.", flag_values=flag_values)
    flags.DEFINE_list(
        "every", ["60"], "Seconds from one kill to the next, of each disturbed run.", flag_values=flag_values
    )
    flags.DEFINE_float("minutes", 1e6, "How long learners are killed.", flag_values=flag_values)
    flags.DEFINE_integer("learners", 8, "How many.", flag_values=flag_values)
    flags.DEFINE_string("rate", "100mbit", "Of the links, as tools/netlab.py takes them.", flag_values=flag_values)
    flags.DEFINE_string("delay", "20ms", "Of the links, one way.", flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Of the choice of learners.", flag_values=flag_values)


class _Killer(threading.Thread):
    """Kills a learner of a run every so many seconds, once training has begun, and notes when."""

    def __init__(self, workdir, every, minutes, seed):
        super().__init__(daemon=True)
        self._workdir, self._every, self._minutes, self._random = workdir, every, minutes, random.Random(seed)
        self._over = threading.Event()
        self.kills = []

    def run(self):
        while not ticks(self._workdir):
            if self._over.wait(1):
                return
        until = time.monotonic() + 60 * self._minutes
        self._over.wait(_BEGIN)
        while not self._over.wait(self._every) and time.monotonic() < until:
            learners = _learners(self._workdir)
            if len(learners) > 1:
                rank = self._random.choice(sorted(learners))
                learners[rank].kill()
                self.kills.append((time.time(), rank))
                print(f"  killed learner {rank}; {len(learners) - 1} processes are left", flush=True)

    def end(self):
        self._over.set()
        self.join()


def _learners(workdir):
    """{rank: process} of the run's learners, those that are coming back included, without their supervisors."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            is_learner = "tfdgan.train" in line and "tfdgan.supervise" not in " ".join(line)
            if is_learner and f"--workdir={workdir}" in line and "HOROVOD_RANK" in (variables := process.environ()):
                found[int(variables["HOROVOD_RANK"])] = process
    return found


def ticks(workdir):
    """[(wall time, step, learners)] of a run, by step."""
    found = {}
    for name in os.listdir(f"{workdir}/tensorboard") if os.path.isdir(f"{workdir}/tensorboard") else []:
        with contextlib.suppress(tf.errors.OpError):  # the last record may be half written
            for record in tf.data.TFRecordDataset(f"{workdir}/tensorboard/{name}").as_numpy_iterator():
                event = event_pb2.Event.FromString(record)
                for value in event.summary.value:
                    if value.tag == "network/learners":
                        found[event.step] = (event.wall_time, event.step, round(float(tf.make_ndarray(value.tensor))))
    return [found[step] for step in sorted(found)]


def run(workdir, lab, line, every, options):
    """Make a run, unless it is there; {"code", "kills", "ticks"}."""
    kept = f"{workdir}/kills.json"
    if not os.path.isfile(kept):
        print(f"{workdir}: {' '.join(line)}", flush=True)
        os.makedirs(workdir, exist_ok=True)
        killer = _Killer(workdir, every, options.minutes, options.seed) if every else None
        with lab, open(f"{workdir}/log.txt", "a") as log:
            lab.check(say=lambda text: print(f"  {text}", flush=True))
            if killer:
                killer.start()
            code = lab.run([*line, f"--workdir={workdir}"], _ENVIRONMENT, stdout=log, stderr=log).returncode
            if killer:
                killer.end()
        files.write_text(kept, json.dumps({"code": code, "kills": killer.kills if killer else []}) + "\n")
    with open(kept) as file:
        return {**json.load(file), "ticks": ticks(workdir)}


def pace(found):
    """(steps a second, seconds, learner-steps, learner-seconds) from the first tick to the last.

    The learners of a tick are those that took the steps before it.
    """
    times, steps, learners = (np.array(part, float) for part in zip(*found, strict=True))
    seconds, taken = np.diff(times), np.diff(steps)
    return taken.sum() / seconds.sum(), seconds.sum(), taken @ learners[1:], seconds @ learners[1:]


def dead_times(kills, found, everybody):
    """Seconds from each kill to the next tick at which all learners are there; None if there is none."""
    times = np.array([when for when, _, learners in found if learners == everybody])
    lost = np.array([when for when, _, learners in found if learners < everybody])
    waits = []
    for when, _ in kills:
        gone = lost[lost > when]
        back = times[times > gone[0]] if len(gone) else []
        waits.append(float(back[0] - when) if len(back) else None)
    return waits


def scores(workdir):
    """{name: the last value} of a run."""
    with open(f"{workdir}/scores.jsonl") as file:
        return {score["name"]: score["value"] for score in map(json.loads, file)}


def main(argv):
    cut = argv.index("--") if "--" in argv else len(argv)
    options, learner = command.parse(argv[:cut], _define), argv[cut + 1 :]
    (output,) = command.required(options, "output")
    if not learner:
        raise UserError("no flags of train: give them after --, as -- --flagfile=configs/gaussians.flags")
    rate = links.rate(options.rate)
    line = [sys.executable, "-m", "tfdgan.supervise", "--max_restarts=1000", "-m", "tfdgan.train", *learner]
    line += [f"--link_mbit={rate / 1e6}"]
    rows, usual = [], None
    for every in (0.0, *map(float, options.every)):
        workdir = os.path.abspath(os.path.join(output, f"every_{every:g}" if every else "undisturbed"))
        lab = Lab(options.learners, rate, links.delay(options.delay), {}, "auto")
        found = run(workdir, lab, line, every, options)
        steps_a_second, seconds, taken, there = pace(found["ticks"])
        usual = usual or steps_a_second
        waits = [wait for wait in dead_times(found["kills"], found["ticks"], options.learners) if wait is not None]
        rejoined = f"{np.median(waits):.0f} ({min(waits):.0f} to {max(waits):.0f})" if waits else ""
        with open(f"{workdir}/log.txt") as file:
            megabytes = re.findall(r"with a state of ([\d.]+) MB", file.read())
        shown = ", ".join(f"{name} {value:.3g}" for name, value in scores(workdir).items())
        rows.append(
            f"| {f'every {every:g} s' if every else 'none'} | {len(found['kills'])} | {found['code']} | "
            f"{found['ticks'][-1][1]} | {found['ticks'][-1][2]} | {seconds / 60:.1f} | "
            f"{100 * there / seconds / options.learners:.0f}% | {100 * taken / (usual * there):.1f}% | {rejoined} | "
            f"{max(map(float, megabytes), default='')} | {shown} |"
        )
    head = [
        "| killed | kills | exit code | last step | learners then | minutes | learners there | of the undisturbed pace "
        "| s from a kill until all are there | MB of a state | scores |",
        "|" + "---|" * 11,
    ]
    files.write_text(os.path.join(output, "kills.md"), "\n".join([*head, *rows]) + "\n")
    print("\n".join([*head, *rows]))


if __name__ == "__main__":
    command.run(main, sys.argv)
