"""Seconds an iteration over slow networks: centralised against decentralised, measured beside the cost model.

    python tools/experiments/slow_networks.py --output=runs/slow_networks

8 learners in network namespaces of their own (root, Linux), the nets of configs/cifar.flags: 100 and 20 Mbit/s, each
with 5, 20 and 50 ms one way, and loopback as the fast network, with computing and without: what gossip costs there is
arithmetic, which the cost model's predictions take from these cells, where they are. At 100 Mbit/s and 20 ms also: no
computing, a quarter of CP's exchange, one slow learner (half speed), one slow link (half rate). Learners know the rate
of their own link (--link_mbit), which concerns the native exchange only. Gradients are waits (tools/iterations.py says
how), by default as long as one learner's own step takes on this machine. Every cell is kept as it comes, so the command
can be repeated until all is there, a condition at a time if need be: table.md and plot.png show all cells of the
folder. --scale=0.5 measures half as long.
"""

import glob
import os
import subprocess
import sys

from absl import flags
from network_report import LOOPBACK, LOOPBACK_ALONE, SETUPS, SPARING, read, show

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.storage import files
from tools import iterations
from tools.network import jobs
from tools.network.lab import Lab
from tools.simulation import setups

_SPARING_AT = ("loopback", "loopback-alone", "exchange-alone", "100mbit-20ms", "20mbit-20ms", "slow-learner")
_RATE, _DELAY = 100e6, 20e-3  # where conditions vary
_SLOW_LINK = 2.0  # factor
_BUDGET = 20.0  # seconds a cell
_ALONE, _QUARTER = "exchange-alone", "quarter"


def _define(flag_values):
    flags.DEFINE_integer("learners", 8, "Learners.", lower_bound=2, flag_values=flag_values)
    text = "Seconds that an iteration computes; default: one learner's own step on this machine, measured."
    flags.DEFINE_float("emulate_compute", None, text, lower_bound=0, flag_values=flag_values)
    text = (
        f"Each {setups.GRAMMAR}; default: {', '.join(SETUPS)}; at {', '.join(_SPARING_AT)} also {', '.join(SPARING)}."
    )
    flags.DEFINE_list("setups", [], text, flag_values=flag_values)
    flags.DEFINE_list("conditions", [], "Of those printed at the start; default: all.", flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the seconds of a cell.", lower_bound=0.05, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for cells, tables and plots.", flag_values=flag_values)


def conditions(compute):
    """{name: {rate, delay, compute, slow_learner, slow_link}}; a compute of None is a quarter of CP's exchange."""
    usual = dict(compute=compute, slow_learner=1.0, slow_link=1.0)
    found = {LOOPBACK: dict(rate=None, delay=0.0, **usual)}
    found[LOOPBACK_ALONE] = {**found[LOOPBACK], "compute": 0.0}
    for rate in (100e6, 20e6):
        for delay in (5e-3, 20e-3, 50e-3):
            found[f"{rate / 1e6:g}mbit-{1e3 * delay:g}ms"] = dict(rate=rate, delay=delay, **usual)
    changes = {
        _ALONE: dict(compute=0.0),
        _QUARTER: dict(compute=None),
        "slow-learner": dict(slow_learner=2.0),
        "slow-link": dict(slow_link=_SLOW_LINK),
    }
    for name, change in changes.items():
        found[name] = dict(rate=_RATE, delay=_DELAY, **{**usual, **change})
    return found


def measure(folder, name, condition, chosen, learners, scale):
    """Measure the cells of a condition that are not there yet."""
    path = os.path.join(folder, f"{name}.jsonl")
    asked = learners, condition["compute"], _mbit(condition)
    for cell in read(path).values():
        kept = cell["learners"], cell["compute"], cell["link_mbit"]
        if kept != asked:
            raise UserError(
                f"{path} holds cells of {kept[0]} learners that compute {kept[1]} s on links of {kept[2]} Mbit/s; give "
                "another --output"
            )
    missing = [setup for setup in chosen if setup not in read(path)]
    if missing:
        _launch(folder, name, condition, missing, learners, scale, path)


def _mbit(condition):
    return (condition["rate"] or 0) / 1e6


def _launch(folder, name, condition, missing, learners, scale, path):
    """Measure setups, one after the other, in one job: eight launches of TensorFlow on two cores take .7 minutes."""
    line = [sys.executable, "-m", "tools.iterations", f"--setups={','.join(missing)}", f"--output={path}"]
    line += [f"--compute={condition['compute']}", f"--slow_learner={condition['slow_learner']}"]
    line += [f"--link_mbit={_mbit(condition)}", f"--slow_link={condition['slow_link']}"]
    # What holds up one learner reaches another after as many iterations as there are hops between them.
    even = condition["slow_learner"] == condition["slow_link"] == 1
    line += [f"--budget={_BUDGET * scale}", f"--warm_up={2 if even else learners // 2}"]
    print(f"{name}: {', '.join(missing)}", flush=True)
    # Threads as on a machine for each learner. CP has Horovod's own best, fused groups; cycles of 1, 5 and 10 ms are
    # alike to it (docs/results.md). Gossip, under which Horovod only idles, has 5 ms from `train` too.
    environment = {"TF_NUM_INTRAOP_THREADS": "1", "HOROVOD_CYCLE_TIME": "5", "HOROVOD_DISABLE_GROUP_FUSION": "0"}
    with open(os.path.join(folder, "log.txt"), "a") as log:
        streams = dict(stdout=log, stderr=subprocess.STDOUT)
        if condition["rate"] is None:
            whole = [jobs.launcher(), "--gloo", "-np", str(learners), *line]
            code = jobs.run(whole, env={**os.environ, **environment}, **streams)
        else:
            with _lab(condition, learners) as lab:
                lab.check(say=lambda text: print(f"  {text}", flush=True))
                code = lab.run(line, environment, **streams).returncode
    if code:
        raise UserError(f"{name}: the measurement ended with {code} ({log.name} says why)")


def _lab(condition, learners):
    slow = {0: (condition["rate"] / condition["slow_link"], None)} if condition["slow_link"] > 1 else None
    return Lab(learners, condition["rate"], condition["delay"], slow)


def own_step():
    done = subprocess.run([sys.executable, "-m", "tools.iterations", "--own_step"], capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise UserError(f"one learner's own step could not be measured: {why}")
    return float(done.stdout.split()[-1])


def _number(path):
    with open(path) as file:
        text = file.read()
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"{path}: {text!r} is no number of seconds; take the file away") from error


def _compute(flag_values, folder):
    """Seconds that an iteration computes, the same in every call with this folder."""
    path = os.path.join(folder, "compute.txt")
    given = flag_values.emulate_compute
    if glob.glob(os.path.join(folder, "*.jsonl")) and os.path.exists(path):
        kept = _number(path)
        if given is not None and given != kept:
            raise UserError(f"--emulate_compute={given}: {folder} holds cells of {kept}; give another --output")
        return kept
    seconds = own_step() if given is None else given
    files.write_text(path, f"{seconds}\n")
    return seconds


def _checked(flag_values, folder, learners):
    """(setups, conditions) asked for, in the order in which they are measured; raises `UserError` before any is."""
    every = conditions(0.0)
    known, asked = list(every), flag_values.conditions
    for name in asked:
        if name not in known:
            raise UserError(f"--conditions={name}: choose of {', '.join(known)}")
    for text in flag_values.setups or (*SETUPS, *SPARING):
        iterations.check(setups.parse(text), learners)
    # What a quarter of CP's exchange is, the exchange alone says.
    order = sorted(known, key=lambda name: (name == _QUARTER, known.index(name)))
    wanted = [name for name in order if not asked or name in asked]
    if _QUARTER in wanted and _ALONE not in wanted and not _alone(folder):
        raise UserError(f"--conditions={_QUARTER}: needs CP's cell of {_ALONE}, measure that first")
    for name in wanted:
        if every[name]["rate"]:
            _lab(every[name], learners)
    return flag_values.setups, wanted


def _alone(folder):
    """CP's cell with no computing, or None."""
    return read(os.path.join(folder, f"{_ALONE}.jsonl")).get("centralized")


def main(argv):
    flag_values = command.parse(argv, _define)
    (folder,) = command.required(flag_values, "output")
    learners = flag_values.learners
    given, wanted = _checked(flag_values, folder, learners)
    jobs.end_by_signals()
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output={folder}: no folder, and none can be made ({error.strerror})") from error
    known = conditions(_compute(flag_values, folder))
    print(f"computing: {known[LOOPBACK]['compute']:.3g} s an iteration; conditions: {', '.join(wanted)}", flush=True)
    for name in wanted:
        if name == _QUARTER:
            alone = _alone(folder)
            if alone is None:
                raise UserError(f"--conditions={name}: needs CP's cell of {_ALONE}, which --setups leaves out")
            known[name]["compute"] = round(alone["seconds"] / 4, 3)
        chosen = given or [*SETUPS, *(SPARING if name in _SPARING_AT else ())]
        measure(folder, name, known[name], chosen, learners, flag_values.scale)
        print(f"\n{show(folder, known)[name]}", flush=True)


if __name__ == "__main__":
    command.run(main, sys.argv)
