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

import contextlib
import glob
import json
import os
import subprocess
import sys

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from tfdgan import command, files
from tfdgan.errors import UserError
from tools import iterations
from tools.network.lab import Lab, launcher
from tools.simulation import cost_model, setups, timing

_SETUPS = (
    *("centralized", "centralized+float16", "ring", "ring+bfloat16", "random_ring", "random_ring+bfloat16"),
    *("one_peer_exponential", "one_peer_exponential+bfloat16"),
)
_SPARING = (  # beyond the paper
    *("ring+delayed", "one_peer_exponential+every=4", "ring+chebyshev=2", "ring+8bit", "ring+top=0.01"),
)
_SPARING_AT = ("loopback", "loopback-alone", "exchange-alone", "100mbit-20ms", "20mbit-20ms", "slow-learner")
_CRITIC, _GENERATOR, _CRITIC_STEPS = 2_718_721, 828_483, 5  # of configs/cifar.flags
_RATE, _DELAY = 100e6, 20e-3  # where conditions vary
_SLOW_LINK = 2.0  # factor
_BUDGET = 20.0  # seconds a cell
_LOOPBACK, _LOOPBACK_ALONE, _QUARTER = "loopback", "loopback-alone", "quarter"
_PAYLOAD = 0.975  # of a link's bits: headers and acknowledgements at an MTU of 9,000, what --link_mbit leaves free


def _define(flag_values):
    flags.DEFINE_integer("learners", 8, "Learners.", lower_bound=2, flag_values=flag_values)
    text = "Seconds that an iteration computes; default: one learner's own step on this machine, measured."
    flags.DEFINE_float("emulate_compute", None, text, lower_bound=0, flag_values=flag_values)
    text = (
        f"Each {setups.GRAMMAR}; default: {', '.join(_SETUPS)}; at {', '.join(_SPARING_AT)} also {', '.join(_SPARING)}."
    )
    flags.DEFINE_list("setups", [], text, flag_values=flag_values)
    flags.DEFINE_list("conditions", [], "Of those printed at the start; default: all.", flag_values=flag_values)
    flags.DEFINE_float("scale", 1.0, "Factor on the seconds of a cell.", lower_bound=0.05, flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for cells, tables and plots.", flag_values=flag_values)


def conditions(compute):
    """{name: {rate, delay, compute, slow_learner, slow_link}}; a compute of None is a quarter of CP's exchange."""
    usual = dict(compute=compute, slow_learner=1.0, slow_link=1.0)
    found = {_LOOPBACK: dict(rate=None, delay=0.0, **usual)}
    found[_LOOPBACK_ALONE] = {**found[_LOOPBACK], "compute": 0.0}
    for rate in (100e6, 20e6):
        for delay in (5e-3, 20e-3, 50e-3):
            found[f"{rate / 1e6:g}mbit-{1e3 * delay:g}ms"] = dict(rate=rate, delay=delay, **usual)
    changes = {
        "exchange-alone": dict(compute=0.0),
        _QUARTER: dict(compute=None),
        "slow-learner": dict(slow_learner=2.0),
        "slow-link": dict(slow_link=_SLOW_LINK),
    }
    for name, change in changes.items():
        found[name] = dict(rate=_RATE, delay=_DELAY, **{**usual, **change})
    return found


def read(path):
    """{setup: cell} of a file of lines."""
    if not os.path.exists(path):
        return {}
    cells = {}
    with open(path) as file:
        for line in file:
            with contextlib.suppress(ValueError):  # half a line, of a call cut off
                cell = json.loads(line)
                cells[cell["setup"]] = cell
    return cells


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
    for together in ([s for s in missing if _centralized(s)], [s for s in missing if not _centralized(s)]):
        if together:
            _launch(folder, name, condition, together, learners, scale, path)


def _mbit(condition):
    return (condition["rate"] or 0) / 1e6


def _centralized(setup):
    return setups.parse(setup).centralized


def _launch(folder, name, condition, missing, learners, scale, path):
    """Measure setups that are all centralised, or all not, in one job."""
    line = [sys.executable, "-m", "tools.iterations", f"--setups={','.join(missing)}", f"--output={path}"]
    line += [f"--compute={condition['compute']}", f"--slow_learner={condition['slow_learner']}"]
    line += [f"--link_mbit={_mbit(condition)}", f"--slow_link={condition['slow_link']}"]
    # What holds up one learner reaches another after as many iterations as there are hops between them.
    even = condition["slow_learner"] == condition["slow_link"] == 1
    line += [f"--budget={_BUDGET * scale}", f"--warm_up={2 if even else learners // 2}"]
    print(f"{name}: {', '.join(missing)}", flush=True)
    # Threads as on a machine for each learner. CP has Horovod's own best: fused groups, and a cycle short against
    # the network's delay; under gossip it idles, as `train` lets it.
    environment = {"TF_NUM_INTRAOP_THREADS": "1", "HOROVOD_CYCLE_TIME": "5"}
    if _centralized(missing[0]):
        environment |= {"HOROVOD_DISABLE_GROUP_FUSION": "0", "HOROVOD_CYCLE_TIME": "1"}
    with open(os.path.join(folder, "log.txt"), "a") as log:
        streams = dict(stdout=log, stderr=subprocess.STDOUT)
        if condition["rate"] is None:
            whole = [launcher(), "--gloo", "-np", str(learners), *line]
            code = subprocess.run(whole, env={**os.environ, **environment}, **streams).returncode
        else:
            slow = {0: (condition["rate"] / condition["slow_link"], None)} if condition["slow_link"] > 1 else None
            with Lab(learners, condition["rate"], condition["delay"], slow) as lab:
                lab.check(say=lambda text: print(f"  {text}", flush=True))
                code = lab.run(line, environment, **streams).returncode
    if code:
        raise UserError(f"{name}: the measurement ended with {code} ({log.name} says why)")


def arithmetic(folder):
    """{setup: {arithmetic, local}} of `timing.Workload`, by the cells on loopback; {} where they are missing.

    An iteration that computes nothing takes both (half of both where mixes are delayed, as two exchanges are under
    way), one that computes for longer than the exchange its own time and `local`. None of CP: the model's reductions
    are fitted to measured ones, arithmetic included.
    """
    beside, alone = (read(os.path.join(folder, f"{name}.jsonl")) for name in (_LOOPBACK, _LOOPBACK_ALONE))
    found = {}
    for name in beside.keys() & alone.keys():
        setup, whole, compute = setups.parse(name), alone[name]["seconds"], beside[name]["compute"]
        if setup.centralized or compute < whole:
            continue
        local = min(max(beside[name]["seconds"] - compute, 0.0), whole)
        both = whole * (2 if setup.variant == "delayed" else 1)
        found[name] = dict(arithmetic=(both - local) * setup.every / setup.rounds, local=local)
    return found


def predicted(setup, condition, learners, beside=None):
    """Seconds an iteration by the cost model; NaN on loopback, of which it knows neither rate nor delay.

    `beside`: as `arithmetic` gives it.
    """
    if condition["rate"] is None:
        return np.nan
    # The model's reductions are fitted to measured ones, which had their headers.
    rate = condition["rate"] * (1.0 if _centralized(setup) else _PAYLOAD)
    workload = timing.Workload(
        **dict(critic_numbers=_CRITIC, generator_numbers=_GENERATOR, critic_steps=_CRITIC_STEPS),
        **dict(compute=condition["compute"], spread=0.0),
        **dict(slow_learner=condition["slow_learner"], slow_link=condition["slow_link"]),
        **(beside or {}).get(setup, {}),
    )
    network = cost_model.Network("lab", rate, condition["delay"])
    return timing.seconds_an_iteration(setups.parse(setup), learners, workload, network)


def table(condition, cells, beside=None):
    """A markdown table, a row a setup."""
    lines = [
        "| | s an iteration | of | predicted | off | waiting | MB sent a learner | times CP's iterations | best CP's |",
        "|---" * 9 + "|",
    ]
    plain = cells.get("centralized", {}).get("seconds", np.nan)
    best = min([cell["seconds"] for setup, cell in cells.items() if _centralized(setup)], default=np.nan)
    for setup, cell in cells.items():
        guess = predicted(setup, condition, cell["learners"], beside)
        off = "" if np.isnan(guess) else f"{100 * (guess / cell['seconds'] - 1):+.0f}%"
        speed = f"{plain / cell['seconds']:.2f} | {best / cell['seconds']:.2f}"
        lines.append(
            f"| {setup} | {cell['seconds']:.3g} | {cell['iterations']} | {'' if np.isnan(guess) else f'{guess:.3g}'} | "
            f"{off} | {cell['waiting']:.0%} | {cell['bytes'] / 1e6:.3g} | {speed} |"
        )
    return "\n".join(lines) + "\n"


def plot(found, known, beside, path):
    """Seconds an iteration by setup, a panel a condition; crosses are the cost model's."""
    figure = Figure(figsize=(16, 3.4 * -(-len(found) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(found) // 3), 3, squeeze=False).ravel()
    for axis, (name, cells) in zip(axes, found.items(), strict=False):
        rows = -np.arange(len(cells))  # the first on top
        colours = ["C3" if _centralized(setup) else "C0" for setup in cells]
        axis.barh(rows, [cell["seconds"] for cell in cells.values()], color=colours)
        guesses = [predicted(setup, known[name], cell["learners"], beside) for setup, cell in cells.items()]
        axis.plot(guesses, rows, "kx", markersize=5)
        axis.set(title=name, xscale="log", yticks=rows, yticklabels=cells, xlabel="seconds an iteration")
        axis.grid(alpha=0.3, axis="x", which="both")
    for axis in axes:
        axis.tick_params(axis="y", labelsize=7)
    for axis in axes[len(found) :]:
        axis.remove()
    with files.replacing(path) as file:
        figure.savefig(file, dpi=80, format="png")


def own_step():
    done = subprocess.run([sys.executable, "-m", "tools.iterations", "--own_step"], capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise UserError(f"one learner's own step could not be measured: {why}")
    return float(done.stdout.split()[-1])


def _compute(flag_values, folder):
    """Seconds that an iteration computes, the same in every call with this folder."""
    path = os.path.join(folder, "compute.txt")
    given = flag_values.emulate_compute
    if glob.glob(os.path.join(folder, "*.jsonl")) and os.path.exists(path):
        with open(path) as file:
            kept = float(file.read())
        if given is not None and given != kept:
            raise UserError(f"--emulate_compute={given}: {folder} holds cells of {kept}; give another --output")
        return kept
    seconds = own_step() if given is None else given
    files.write_text(path, f"{seconds}\n")
    return seconds


def show(folder, known):
    """Write tables and a plot of all cells that a folder has; returns the tables, {condition: text}."""
    order = {setup: number for number, setup in enumerate((*_SETUPS, *_SPARING))}
    beside, found, tables = arithmetic(folder), {}, {}
    for name, condition in known.items():
        cells = read(os.path.join(folder, f"{name}.jsonl"))
        if cells:
            condition["compute"] = next(iter(cells.values()))["compute"]
            found[name] = {setup: cells[setup] for setup in sorted(cells, key=lambda s: order.get(s, len(order)))}
            rows = table(condition, found[name], beside)
            tables[name] = f"**{name}**: computing {condition['compute']:.3g} s\n\n{rows}"
    files.write_text(os.path.join(folder, "table.md"), "\n".join(tables.values()))
    plot(found, known, beside, os.path.join(folder, "plot.png"))
    return tables


def _checked(flag_values, learners):
    """(setups, conditions) asked for, in the order in which they are measured; raises `UserError` before any is."""
    known, asked = list(conditions(0.0)), flag_values.conditions
    for name in asked:
        if name not in known:
            raise UserError(f"--conditions={name}: choose of {', '.join(known)}")
    for text in flag_values.setups or (*_SETUPS, *_SPARING):
        iterations.check(setups.parse(text), learners)
    # What a quarter of CP's exchange is, the exchange alone says.
    order = sorted(known, key=lambda name: (name == _QUARTER, known.index(name)))
    return flag_values.setups, [name for name in order if not asked or name in asked]


def main(argv):
    flag_values = command.parse(argv, _define)
    (folder,) = command.required(flag_values, "output")
    learners = flag_values.learners
    given, wanted = _checked(flag_values, learners)
    os.makedirs(folder, exist_ok=True)
    known = conditions(_compute(flag_values, folder))
    print(f"computing: {known[_LOOPBACK]['compute']:.3g} s an iteration; conditions: {', '.join(wanted)}", flush=True)
    for name in wanted:
        if name == _QUARTER:
            alone = read(os.path.join(folder, "exchange-alone.jsonl")).get("centralized")
            if alone is None:
                raise UserError(f"--conditions={name}: needs CP's cell of exchange-alone, measure that first")
            known[name]["compute"] = round(alone["seconds"] / 4, 3)
        chosen = given or [*_SETUPS, *(_SPARING if name in _SPARING_AT else ())]
        measure(folder, name, known[name], chosen, learners, flag_values.scale)
        print(f"\n{show(folder, known)[name]}", flush=True)


if __name__ == "__main__":
    command.run(main, sys.argv)
