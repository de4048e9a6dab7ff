"""What slow_networks.py has measured: cells read back, the cost model beside them, tables and plots."""

import json
import os

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tfdgan.errors import UserError
from tfdgan.storage import files
from tools.simulation import cost_model, setups, timing

SETUPS = (
    *("centralized", "centralized+float16", "ring", "ring+bfloat16", "random_ring", "random_ring+bfloat16"),
    *("one_peer_exponential", "one_peer_exponential+bfloat16"),
)
SPARING = (  # beyond the paper
    *("ring+delayed", "one_peer_exponential+every=4", "ring+chebyshev=2", "ring+8bit", "ring+top=0.01"),
)
LOOPBACK, LOOPBACK_ALONE = "loopback", "loopback-alone"
CRITIC, GENERATOR, CRITIC_STEPS = 2_718_721, 828_483, 5  # of configs/cifar.flags
_PAYLOAD = 0.975  # of a link's bits: headers and acknowledgements at an MTU of 9,000, what --link_mbit leaves free
_FIELDS = {"setup", "learners", "compute", "link_mbit", "seconds", "waiting", "bytes", "iterations"}  # of a cell


def read(path):
    """{setup: cell} of a file of lines."""
    if not os.path.exists(path):
        return {}
    cells = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            try:
                cell = json.loads(line)
            except ValueError:  # half a line, of a call cut off
                continue
            if not isinstance(cell, dict) or not _FIELDS <= cell.keys() or not setups.is_one(cell["setup"]):
                raise UserError(f"{path}, line {number}: no cell, take it out: {line.strip()[:80]}")
            cells[cell["setup"]] = cell
    return cells


def arithmetic(folder):
    """{setup: {arithmetic, local}} of `timing.Workload`, by the cells on loopback; {} where they are missing.

    An iteration that computes nothing takes both (half of both where mixes are delayed, as two exchanges are under
    way), one that computes for longer than the exchange its own time and `local`. None of CP: the model's reductions
    are fitted to measured ones, arithmetic included.
    """
    beside, alone = (read(os.path.join(folder, f"{name}.jsonl")) for name in (LOOPBACK, LOOPBACK_ALONE))
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
    rate = condition["rate"] * (1.0 if centralized(setup) else _PAYLOAD)
    workload = timing.Workload(
        **dict(critic_numbers=CRITIC, generator_numbers=GENERATOR, critic_steps=CRITIC_STEPS),
        **dict(compute=condition["compute"], spread=0.0),
        **dict(slow_learner=condition["slow_learner"], slow_link=condition["slow_link"]),
        **(beside or {}).get(setup, {}),
    )
    network = cost_model.Network("lab", rate, condition["delay"])
    return timing.seconds_an_iteration(setups.parse(setup), learners, workload, network)


def table(condition, cells, beside=None):
    """A markdown table, a row a setup."""
    lines = [
        "| | s an iteration | iterations | predicted | off | waiting | MB a learner | times CP's | the best CP's |",
        "|---" * 9 + "|",
    ]
    plain = cells.get("centralized", {}).get("seconds")
    best = min([cell["seconds"] for setup, cell in cells.items() if centralized(setup)], default=None)
    for setup, cell in cells.items():
        guess = predicted(setup, condition, cell["learners"], beside)
        off = "" if np.isnan(guess) else f"{100 * (guess / cell['seconds'] - 1):+.0f}%"
        speed = " | ".join("" if other is None else f"{other / cell['seconds']:.2f}" for other in (plain, best))
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
        for colour, label, centralised in (("C3", "CP-OAdam", True), ("C0", "decentralised", False)):
            places = [row for row, setup in zip(rows, cells, strict=True) if centralized(setup) == centralised]
            seconds = [cell["seconds"] for setup, cell in cells.items() if centralized(setup) == centralised]
            axis.plot(seconds, places, f"{colour}o", label=label)
        guesses = [predicted(setup, known[name], cell["learners"], beside) for setup, cell in cells.items()]
        axis.plot(guesses, rows, "kx", markersize=5, label="cost model")
        axis.set(title=name, xscale="log", yticks=rows, yticklabels=cells, xlabel="seconds an iteration")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3, which="both")
    for axis in axes:
        axis.tick_params(axis="y", labelsize=7)
    for axis in axes[len(found) :]:
        axis.remove()
    axes[0].legend(fontsize=7)
    with files.replacing(path) as file:
        figure.savefig(file, dpi=80, format="png")


def show(folder, known):
    """Write tables and a plot of all cells that a folder has; returns the tables, {condition: text}."""
    order = {setup: number for number, setup in enumerate((*SETUPS, *SPARING))}
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


def centralized(setup):
    return setups.parse(setup).centralized
