"""Topologies side by side: how fast they mix, how many neighbours they need, and what they look like.

    python tools/topology.py --topology=ring --sizes=4,8,16,32
    python tools/topology.py --sizes=8 --random
    python tools/topology.py --topology=one_peer_exponential --sizes=8 --output=graphs.png

Columns: after how many rounds the topology repeats; the spectral gap; the degree, the most neighbours that a learner
sends to in a round; the rounds of gossip after which the distance to the mean is at most 1e-3 of what it was, from
the worst start, or expected with --random.
"""

import bisect
import functools
import os
import sys

import networkx as nx
import numpy as np
from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.gossip import topology

_TARGET = 1e-3
_MOST_ROUNDS = 2**20
_SEEDS, _STARTS = 16, 64  # of the expectation under --random
_PANELS = 6


def _define(flag_values):
    text = f"{', '.join(topology.NAMES)}, or a .npy mixing matrix; default: all names."
    flags.DEFINE_string("topology", None, text, flag_values=flag_values)
    text = "Numbers of learners; default: 4,8,16,32, or the matrix's."
    flags.DEFINE_list("sizes", None, text, flag_values=flag_values)
    flags.DEFINE_boolean("random", False, "Relabel the learners at random every step.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "Picture of the graphs, a .png file.", flag_values=flag_values)


def spectral_gap(schedule):
    """The gap of the product over a period."""
    return topology.spectral_gap(functools.reduce(lambda product, W: W @ product, schedule.matrices))


def degree(schedule):
    """The most learners that one sends to in a round."""
    off_diagonal = schedule.matrices * (1 - np.eye(schedule.size))
    return int(np.count_nonzero(off_diagonal, axis=1).max())


def rounds_needed(schedule):
    """The smallest number of rounds that bring every start within 1e-3 of its distance to the mean; None if none do."""
    partial = [np.eye(schedule.size)]  # products of the first 0, 1, ... matrices
    for W in schedule.matrices:
        partial.append(W @ partial[-1])
    period = partial.pop()

    def enough(rounds):
        whole, rest = divmod(rounds, schedule.period)
        product = partial[rest] @ np.linalg.matrix_power(period, whole)
        return np.linalg.norm(product - 1 / schedule.size, 2) <= _TARGET  # the second singular value

    # The distance never grows, so bisect.
    return bisect.bisect_left(range(_MOST_ROUNDS), True, key=enough) if enough(_MOST_ROUNDS) else None


def rounds_expected(name, size):
    """The rounds after which the mean squared distance of random starts is below 1e-6 of theirs; None if never."""
    schedules = [topology.make_schedule(name, size, random=True, seed=seed) for seed in range(_SEEDS)]
    starts = np.random.default_rng(0).standard_normal((_SEEDS, size, _STARTS))
    starts -= starts.mean(axis=1, keepdims=True)
    values, before = starts, np.square(starts).sum()
    for step in range(100 * size):
        values = np.stack([schedule.matrix(step) for schedule in schedules]) @ values
        if np.square(values).sum() <= _TARGET**2 * before:
            return step + 1
    return None


def table(names, sizes, random):
    """Lines: a row for each topology and size, then notes."""
    lines = [f"{'topology':<22}{'learners':>9}{'period':>8}{'gap':>9}{'degree':>8}{'rounds to 1e-3':>16}"]
    notes = {}  # a set that keeps its order
    for name in names:
        for size in sizes:
            cells = ("-", "-", "-", "-")
            try:
                schedule = topology.make_schedule(name, size, random=random)
            except UserError as error:
                notes[f"-: {error.as_flags()}"] = None
            else:
                rounds = rounds_expected(name, size) if random and size > 1 else rounds_needed(schedule)
                rounds = "never" if rounds is None else rounds
                cells = (schedule.period, f"{spectral_gap(schedule):.4f}", degree(schedule), rounds)
                if schedule.period > 1:
                    notes["gap: where the period is above 1, of the product of a period's matrices"] = None
            lines.append(f"{name:<22}{size:>9}{cells[0]:>8}{cells[1]:>9}{cells[2]:>8}{cells[3]:>16}")
    if random:
        notes["gap: of the topology before relabelling"] = None
        notes[f"rounds: expected under random relabelling, by the mean squared distance over {_SEEDS} seeds"] = None
    return lines + [""] * bool(notes) + list(notes)


def panels(names, sizes, random):
    """[(title, W)]: one topology at its sizes and steps, or all names at the first size."""
    found = []
    for name in names:
        for size in sizes[: 1 if len(names) > 1 else None]:
            try:
                schedule = topology.make_schedule(name, size, random=random)
            except UserError:
                continue
            varies = random or schedule.period > 1
            title = f"{os.path.basename(name)}, {size} learners"
            steps = range(1 if len(names) > 1 else _PANELS if random else schedule.period)
            total = "" if random else f" of {schedule.period}"
            found += [(f"{title}\nround {k + 1}{total}" if varies else title, schedule.matrix(k)) for k in steps]
    return found if len(names) > 1 else found[:_PANELS]


def draw(graphs, path):
    """One panel a mixing matrix; learner 0 on top, the others clockwise; arrows where not all edges go both ways."""
    columns = len(graphs) if len(graphs) < 4 else -(-len(graphs) // 2)
    rows = -(-len(graphs) // columns)
    figure = Figure(figsize=(3.4 * columns, 3.9 * rows), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.05)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, W) in zip(axes, graphs, strict=False):
        _draw_graph(axis, W)
        axis.set_title(title, fontsize=11)
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=120, format="png")


def _draw_graph(axis, W):
    size, edges = len(W), W > 0  # [i, j]: j sends to i
    # networkx goes counter-clockwise from the right; mirrored at the diagonal that is clockwise from the top.
    place = {node: (y, x) for node, (x, y) in nx.circular_layout(nx.empty_graph(size)).items()}
    radius = min(11.0, 120 / size + 3)  # of a node, in points
    crowded = size > 8 and edges.sum() > 4 * size
    directed = (edges != edges.T).any()
    for i, j in zip(*np.nonzero(edges), strict=True):
        both = edges[j, i]
        if i == j or (both and i > j):
            continue
        heads = ("<|-|>" if both else "-|>") if directed else "-"
        arrow = {"arrowstyle": heads, "mutation_scale": min(11, 80 / size + 3), "shrinkA": radius, "shrinkB": radius}
        arrow |= {"color": "#4878a8", "alpha": 0.5 if crowded else 1.0, "lw": 0.8 if crowded else 1.3}
        axis.annotate("", place[i], place[j], arrowprops=arrow)
    axis.scatter(*zip(*place.values(), strict=True), s=(2 * radius) ** 2, c="#f4f7fb", edgecolors="#264a70", zorder=3)
    if size <= 64:
        for node, (x, y) in place.items():
            axis.text(x, y, node, ha="center", va="center_baseline", fontsize=min(10, 0.85 * radius), zorder=4)
    axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")


def _sizes(given, name):
    if given is None and name and name not in topology.NAMES:
        try:
            return [len(np.load(name, allow_pickle=False))]
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"--topology={name}: not a readable .npy file ({error})") from error
    try:
        sizes = [int(size) for size in given or (4, 8, 16, 32)]
    except ValueError as error:
        raise UserError(f"--sizes={','.join(given)}: give whole numbers with commas between them") from error
    if min(sizes) < 1:
        raise UserError(f"--sizes={','.join(given)}: at least 1 learner each")
    return sizes


def main(argv):
    flag_values = command.parse(argv, _define)
    name, output = flag_values.topology, flag_values.output
    if name and name not in topology.NAMES and not os.path.isfile(name):
        raise UserError(f"--topology={name}: choose one of {', '.join(topology.NAMES)}, or a .npy file that exists")
    if output and not output.endswith(".png"):
        raise UserError(f"--output={output}: give a name that ends in .png")
    names, sizes = [name] if name else topology.NAMES, _sizes(flag_values.sizes, name)
    if len(names) == len(sizes) == 1:
        topology.make_schedule(name or names[0], sizes[0])  # the only one asked for must exist
    print("\n".join(table(names, sizes, flag_values.random)))
    if output:
        graphs = panels(names, sizes, flag_values.random)
        if not graphs:
            raise UserError("--output: nothing to draw, no topology has these sizes")
        try:
            draw(graphs, output)
        except OSError as error:
            raise UserError(f"--output={output}: cannot be written ({error.strerror})") from error
        print(f"\n{output}: {len(graphs)} graph(s)")


if __name__ == "__main__":
    command.run(main, sys.argv)
