"""Real training over a lab's links, for as many steps as its time takes to be known; and the time to a score by it.

Synchronous algorithms take the same steps over any network, so that what a run reached after so many steps on loopback,
it would have reached after as many steps' time over these links. The lab's learners share this machine's cores, so a
step's time holds their contention, too.
"""

import os
import sys

import numpy as np
import trials

from tfdgan.errors import UserError

_TICKS, _EVERY = 4, 10  # the first tick compiles
# A lab's learners are hosts of their own, but share the cores. Horovod's best, for CP; native exchanges do not use it.
_ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "HOROVOD_DISABLE_GROUP_FUSION": "0",
    "HOROVOD_CYCLE_TIME": "1",
}


def measure(workdir, lab, rate, flags):
    """{"a step": seconds, "waiting": share} of `train` by these flags in a `Lab` whose links have `rate` bit/s.

    The median over ticks; what an earlier call has left in `workdir` is not measured again. Learners know their links'
    rate.
    """
    steps = _TICKS * _EVERY
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
    times, waits = (trials.scalars(workdir, name)[1:] for name in ("time/step", "time/waiting_share"))
    return {"a step": float(np.median([t for _, t in times])), "waiting": float(np.median([w for _, w in waits]))}


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
    """A markdown table, a row a strategy: the time to a score.

    `results`: {strategy: [{"steps", "FD"}, a seed each]}; `network`: {strategy: as `measure` gives it}; `target`: the
    score; `what`: the network in words.
    """
    rows = {}
    for strategy, runs in results.items():
        needed = np.mean([steps_to(target, run["steps"], run["FD"]) for run in runs])
        rows[strategy] = needed, network[strategy]["a step"], network[strategy]["waiting"]
    reference = next(needed * step for name, (needed, step, _) in rows.items() if name.startswith("CP"))
    lines = [
        f"| {what} | s a step | waiting | steps to FD {target:.3g} | minutes to it | times as fast as CP-OAdam |",
        "|---" * 6 + "|",
    ]
    for strategy, (needed, step, waiting) in rows.items():
        minutes = needed * step / 60
        lines.append(
            f"| {strategy} | {step:.3g} | {waiting:.0%} | {needed:.0f} | {minutes:.3g} | "
            f"{reference / (needed * step):.2f} |"
        )
    return "\n".join(lines) + "\n"
