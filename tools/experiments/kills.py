"""Learners that are killed at random and come back, over a lab's links: what it costs a run. Root, Linux.

    python tools/experiments/kills.py --output=runs/kills --every=0,60 --seeds=0,1,2 --learners=8 --rate=100mbit \\
        --delay=20ms -- --flagfile=configs/gaussians.flags --steps=20000

The job runs once per seed and per --every: with one learner at random killed each so many seconds (SIGKILL; its
supervisor starts it again), or, at 0, undisturbed. Runs that are there are not made again; two of these commands with
one --output may run side by side. kills.md is of all runs in --output. Per --every, it shows means over the seeds and
ranges: exit codes; the learner-steps that were taken, in percent of what the undisturbed run's pace makes of the
learners that were there; seconds from a death to the comeback, starting TensorFlow included; what the learners that
lived longest hold of memory, files and threads; and the scores.
"""

import contextlib
import glob
import json
import os
import re
import sys

import killing
import numpy as np
import tensorflow as tf
from absl import flags
from tensorflow.core.util import event_pb2

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.storage import files
from tools.network import jobs, links
from tools.network.lab import Lab

ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # a lab's learners share the cores


def define(flag_values):
    """What a lab with kills takes."""
    flags.DEFINE_string("output", None, "Folder for the runs and kills.md.", flag_values=flag_values)
    flags.DEFINE_list(
        "every", ["0", "60"], "Seconds from one kill to the next, of each run; 0: nobody.", flag_values=flag_values
    )
    flags.DEFINE_float("minutes", 1e6, "How long learners are killed.", flag_values=flag_values)
    flags.DEFINE_integer("learners", 8, "How many.", flag_values=flag_values)
    flags.DEFINE_string("rate", "100mbit", "Of the links, as tools/netlab.py takes them.", flag_values=flag_values)
    flags.DEFINE_string("delay", "20ms", "Of the links, one way.", flag_values=flag_values)


def _define(flag_values):
    define(flag_values)
    flags.DEFINE_list("seeds", ["0"], "Of the job and of the choice of learners.", flag_values=flag_values)


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


def run(workdir, lab, line, killer, launch):
    """Make a run, unless it is there.

    Args:
      line: the command; the run's --workdir is added.
      launch: function (lab, command, **streams) -> the finished process.
    """
    kept = f"{workdir}/kills.json"
    if os.path.isfile(kept):
        return
    print(f"{workdir}: {' '.join(line)}", flush=True)
    begin_anew(workdir)
    with lab, open(f"{workdir}/log.txt", "a") as log:
        lab.check(say=lambda text: print(f"  {text}", flush=True))
        killer.start()
        code = launch(lab, [*line, f"--workdir={workdir}"], stdout=log, stderr=log).returncode
        killer.end()
    files.write_text(kept, json.dumps({"code": code, "kills": killer.kills}) + "\n")


def begin_anew(workdir):
    """Make a run's folder, without what an earlier try has noted by the clock."""
    os.makedirs(workdir, exist_ok=True)
    for name in ("resources.jsonl", "ticks.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{workdir}/{name}")


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
    """{name: the last value} of a run; {} if it has none."""
    path = f"{workdir}/scores.jsonl"
    if not os.path.isfile(path):
        return {}
    with open(path) as file:
        return {score["name"]: score["value"] for score in map(json.loads, file)}


def held(workdir):
    """What the process that was seen for longest held at a quarter of its time and at the last quarter's beginning."""
    path = f"{workdir}/resources.jsonl"
    if not os.path.isfile(path):
        return {}
    with open(path) as file:
        looks = [json.loads(line) for line in file]
    oldest = max(looks, key=lambda look: look["seconds"])["process"]
    looks = [look for look in looks if look["process"] == oldest]
    then, late, last = looks[len(looks) // 4], looks[3 * len(looks) // 4], looks[-1]
    return {
        "minutes of the oldest process": last["seconds"] / 60,
        "MB at a quarter of it": then["bytes"] / 1e6,
        "MB at three quarters": late["bytes"] / 1e6,
        "files at a quarter": then["files"],
        "files at three quarters": late["files"],
        "threads at a quarter": then["threads"],
        "threads at three quarters": late["threads"],
    }


def figures(workdir, found, usual, learners):
    """{name: number or None} of a run with these ticks; `usual` is the undisturbed pace, steps a second, or None."""
    with open(f"{workdir}/kills.json") as file:
        made = json.load(file)
    if len(found) < 2:  # it came to nothing
        return {"kills": len(made["kills"]), "exit code": made["code"]}
    steps_a_second, seconds, taken, there = pace(found)
    waits = [wait for wait in dead_times(made["kills"], found, learners) if wait is not None]
    with open(f"{workdir}/log.txt") as file:
        states = [float(megabytes) for megabytes in re.findall(r"with a state of ([\d.]+) MB", file.read())]
    return {
        "kills": len(made["kills"]),
        "exit code": made["code"],
        "last step": found[-1][1],
        "learners then": found[-1][2],
        "minutes": seconds / 60,
        "steps a second": steps_a_second,
        "% of learners there": 100 * there / seconds / learners,
        "% of the undisturbed pace": 100 * taken / (usual * there) if usual else None,
        "s until all are there, median": float(np.median(waits)) if waits else None,
        "s, longest": max(waits, default=None),
        "MB of a state": max(states, default=None),
        **held(workdir),
        **scores(workdir),
    }


def _launch(lab, line, **streams):
    return lab.run(line, ENVIRONMENT, **streams)


def table(output, learners):
    """Lines of Markdown of all runs in a folder."""
    runs, paces = {}, []
    for path in glob.glob(f"{output}/seed_*/every_0/kills.json"):
        if len(found := ticks(os.path.dirname(path))) > 1:
            paces.append(pace(found)[0])
    usual = float(np.mean(paces)) if paces else None
    for path in sorted(glob.glob(f"{output}/seed_*/every_*/kills.json")):
        workdir = os.path.dirname(path)
        every = float(os.path.basename(workdir).removeprefix("every_"))
        runs.setdefault(every, []).append(figures(workdir, ticks(workdir), usual, learners))
    return lines(dict(sorted(runs.items())))


def lines(columns):
    """Lines of Markdown of {seconds from kill to kill: [figures of a run]}: a row per figure, mean (range) of runs."""
    names = dict.fromkeys(name for runs in columns.values() for found in runs for name in found)
    made = [
        "| killed | " + " | ".join(f"every {every:g} s" if every else "nobody" for every in columns) + " |",
        "|" + "---|" * (len(columns) + 1),
        "| runs | " + " | ".join(str(len(runs)) for runs in columns.values()) + " |",
    ]
    for name in names:
        of = [[found[name] for found in runs if found.get(name) is not None] for runs in columns.values()]
        shown = [f"{np.mean(x):.4g} ({min(x):.4g} to {max(x):.4g})" if x else "" for x in of]
        made.append(f"| {name} | " + " | ".join(shown) + " |")
    return made


def asked(argv, define_flags):
    """(options, --output, flags of train) of a command line."""
    cut = argv.index("--") if "--" in argv else len(argv)
    options, learner = command.parse(argv[:cut], define_flags), argv[cut + 1 :]
    (output,) = command.required(options, "output")
    if not learner:
        raise UserError("no flags of train: give them after --, as -- --flagfile=configs/gaussians.flags")
    return options, output, learner


def main(argv):
    options, output, learner = asked(argv, _define)
    jobs.end_by_signals()
    rate = links.rate(options.rate)
    line = [sys.executable, "-m", "tfdgan.supervise", "--max_restarts=1000", "-m", "tfdgan.train", *learner]
    line += [f"--link_mbit={rate / 1e6}"]
    for seed in options.seeds:
        for every in map(float, options.every):
            workdir = os.path.abspath(os.path.join(output, f"seed_{seed}", f"every_{every:g}"))
            killer = killing.Killer(
                workdir, "tfdgan.train", lambda workdir=workdir: ticks(workdir), every, options.minutes, int(seed)
            )
            lab = Lab(options.learners, rate, links.delay(options.delay), {}, "auto")
            run(workdir, lab, [*line, f"--seed={seed}"], killer, _launch)
    made = table(output, options.learners)
    files.write_text(os.path.join(output, "kills.md"), "\n".join(made) + "\n")
    print("\n".join(made))


if __name__ == "__main__":
    command.run(main, sys.argv)
