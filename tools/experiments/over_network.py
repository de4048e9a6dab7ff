"""Real training over a lab's links, for as many steps as its time takes to be known; and the time to a score by it.

    python tools/experiments/over_network.py --results=runs/cifar_small/results.json --rate=100mbit --delay=20ms \\
        --output=runs/cifar_small_network

Synchronous algorithms take the same steps over any network, so that what a run reached after so many steps on loopback,
it would have reached after as many steps' time over these links. The results are those of `tfdgan.compare`; each of its
arms trains some steps in a lab (root, Linux). The score to reach is the one that the first arm has ended with. The
lab's learners share this machine's cores, so a step's time holds their contention, too. What is measured is kept.
"""

import os
import re
import sys

import numpy as np
from absl import flags
from comparison_results import first_score

from tfdgan.cli import command
from tfdgan.cli.scalars import scalars
from tfdgan.errors import UserError
from tfdgan.storage import files
from tools.network import jobs, links
from tools.network.lab import Lab

_TICKS, _EVERY = 4, 10  # the first tick compiles
_OUTER_PERIODS = 3  # as many steps more, for outer steps that come at every 50th
# A lab's learners are hosts of their own, but share the cores. Horovod's best, for CP; native exchanges do not use it.
_ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "HOROVOD_DISABLE_GROUP_FUSION": "0",
    "HOROVOD_CYCLE_TIME": "1",
}


def _define(flag_values):
    flags.DEFINE_string(
        "results", None, "results.json of a comparison, of which the first score counts.", flag_values=flag_values
    )
    text = "Of the links, as tools/netlab.py takes them."
    flags.DEFINE_string("rate", "100mbit", text, flag_values=flag_values)
    flags.DEFINE_string("delay", "20ms", "Of the links, one way.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs and network.md.", flag_values=flag_values)


def measure(workdir, lab, rate, flags):
    """{"a step": seconds, "waiting": share} of `train` by these flags in a `Lab` whose links have `rate` bit/s.

    The mean over ticks; what an earlier call has left in `workdir` is not measured again. Learners know their links'
    rate.
    """
    steps = _TICKS * _EVERY * (_OUTER_PERIODS if "--strategy=diloco" in flags else 1)
    if not os.path.isfile(os.path.join(workdir, "checkpoints", f"{steps:08d}", "manifest.json")):
        line = [sys.executable, "-m", "tfdgan.train", *flags, f"--workdir={workdir}", f"--steps={steps}"]
        line += [f"--log_every={_EVERY}", "--eval_every=0", f"--checkpoint_every={steps}"]
        if "--strategy=centralized" not in flags:  # which Horovod carries
            line += [f"--link_mbit={rate / 1e6}"]
        print(" ".join(line), flush=True)
        os.makedirs(workdir, exist_ok=True)
        with lab, open(f"{workdir}/log.txt", "a") as log:
            lab.check(say=lambda text: print(f"  {text}", flush=True))
            code = lab.run(line, _ENVIRONMENT, stdout=log, stderr=log).returncode
        if code:
            raise UserError(f"training over the network ended with {code}: {log.name} says why")
    times, waits = scalars(workdir, "time/step", "time/waiting_share").values()
    return {"a step": _later_mean(times), "waiting": _later_mean(waits)}


def _later_mean(ticks):
    """Over all but the first, which compiles."""
    return float(np.mean([value for _, value in ticks[1:]]))


def steps_to(target, steps, values):
    """The steps after which values that were scored at `steps` first reach down to a target, linear between scores;
    infinite if they never do."""
    below = np.flatnonzero(np.asarray(values) <= target)
    if not len(below):
        return np.inf
    first = below[0]
    if first == 0:
        return float(steps[0])
    share = (values[first - 1] - target) / (values[first - 1] - values[first])
    return float(steps[first - 1] + share * (steps[first] - steps[first - 1]))


def table(results, network, target, what):
    """A markdown table, a row an arm: the time to a score.

    `results`: {arm: [{"steps", "values"}, a seed each]}, the first of which the others are compared with; `network`:
    {arm: as `measure` gives it}; `target`: the score that the first arm has ended with in the mean, so that it has
    needed all its steps; `what`: the network in words. Of the runs that reach the score; how many do is said where some
    do not.
    """
    first = next(iter(results))
    rows, reference = [], None
    for arm, runs in results.items():
        needed = np.array([steps_to(target, run["steps"], run["values"]) for run in runs])
        if arm == first:  # whose mean the target is: where runs that end above it are left out, it would seem faster
            needed = np.array([run["steps"][-1] for run in runs])
        reached, step = needed[np.isfinite(needed)], network[arm]["a step"]
        some = f" ({len(reached)} of {len(needed)} runs)" if len(reached) < len(needed) else ""
        if not len(reached):
            rows.append(f"| {arm} | {step:.3g} | {network[arm]['waiting']:.0%} | never{some} | | |")
            continue
        seconds = reached.mean() * step
        if arm == first:
            reference = seconds
        times = "" if reference is None else f"{reference / seconds:.2f}"
        rows.append(
            f"| {arm} | {step:.3g} | {network[arm]['waiting']:.0%} | {reached.mean():.0f}{some} | {seconds / 60:.3g} | "
            f"{times} |"
        )
    head = f"| {what} | s a step | waiting | steps to {target:.3g} | minutes to it | times as fast as {first} |"
    return "\n".join([head, "|---" * 6 + "|", *rows]) + "\n"


def main(argv):
    flag_values = command.parse(argv, _define)
    path, output = command.required(flag_values, "results", "output")
    rate = links.rate(flag_values.rate)
    score = first_score(path)
    if score["best"] != "low":
        raise UserError(f"--results={path}: holds {score['score']}; give a score first of which low is better")
    jobs.end_by_signals()
    results, network = {}, {}
    for run in score["runs"]:
        results.setdefault(run["arm"], []).append(run)
    target = float(np.mean([run["values"][-1] for run in next(iter(results.values()))]))
    what = f"{flag_values.rate}-{flag_values.delay}"
    for arm, (run, *_) in results.items():
        lab = Lab(run["learners"], rate, links.delay(flag_values.delay))
        name = re.sub(r"[^\w.-]+", "_", arm)
        place = os.path.join(output, f"{name}-{run['learners']}-{what}")
        network[arm] = measure(place, lab, rate, [*run["flags"], f"--seed={run['seed']}"])
        files.write_text(
            os.path.join(output, "network.md"), table({a: results[a] for a in network}, network, target, what)
        )
    print(table(results, network, target, what))


if __name__ == "__main__":
    command.run(main, sys.argv)
