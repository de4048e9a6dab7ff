"""Predicted iterations an hour and time to target, by network, setup and number of learners."""

from tfdgan.errors import UserError
from tools.simulation import cost_model, report, timing

SETUPS = (
    "centralized,centralized+tree,ring,random_ring,exponential,one_peer_exponential,one_peer_exponential+bfloat16,"
    "one_peer_exponential+every=4,ring+delayed,ring+top=0.1"
)
LEARNERS = "8,32,128,512,1024"
_HEADERS = (
    "network",
    "setup",
    "learners",
    "s an iteration",
    "iterations/hour",
    "learning rate",
    "steps to target",
    "hours to target",
)


def run(study, workload, setups, sizes, networks, folder):
    """Print a table a network; write scaling.tsv and scaling.png."""
    rows = []
    for size in sizes:
        for setup in setups:
            try:
                rate, trace = study.best(setup, size)
                seconds = [
                    timing.seconds_an_iteration(setup, size, workload, network, seed=study.seed) for network in networks
                ]
            except UserError as error:
                report.say(f"left out, {size} learners: {error.as_flags()}")
                continue
            report.say(f"{size} learners, {setup.name}: {report.cell(trace.reached)} steps to the target")
            for network, second in zip(networks, seconds, strict=True):
                hours = None if trace.reached is None else trace.reached * second / 3600
                rows.append((network.name, setup.name, size, second, 3600 / second, rate, trace.reached, hours))
    for network in networks:
        print(f"\n{network.name}: {network.rate / 1e6:g} Mbit/s, {1e3 * network.delay:g} ms one way")
        print(report.table(_HEADERS[1:], [row[1:] for row in rows if row[0] == network.name]))
    print(
        f"\ns an iteration: predicted, a Horovod reduction with {cost_model.CONTROL_ROUNDS:.3g} control rounds, fitted "
        "to 4 and 8 learners only.\nsteps to target: simulated, at the best of the learning rates tried; -: not "
        f"reached in {study.steps} steps"
    )
    report.write_tsv(folder, "scaling.tsv", _HEADERS, rows)
    plot(rows, [setup.name for setup in setups], networks, folder)


def plot(rows, names, networks, folder):
    figure, axes = report.panels(2, len(networks))
    for column, network in enumerate(networks):
        for number, name in enumerate(names):
            mine = [row for row in rows if row[0] == network.name and row[1] == name]
            style = dict(color=f"C{number % 10}", marker="o", markersize=3, linewidth=1, label=name)
            axes[0, column].plot([row[2] for row in mine], [row[4] for row in mine], **style)
            there = [row for row in mine if row[7] is not None]
            axes[1, column].plot([row[2] for row in there], [row[7] for row in there], **style)
        axes[0, column].set(title=network.name, ylabel="iterations an hour")
        axes[1, column].set(xlabel="learners", ylabel="hours to target")
        for axis in axes[:, column]:
            report.logarithmic(axis)
    axes[0, -1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    report.save(figure, folder, "scaling.png")
