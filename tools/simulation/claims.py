"""What is claimed for the method, simulated: random mixing, rounds of gossip, speed-up in the number of learners.

After Liu et al., "A Decentralized Parallel Algorithm for Training Generative Adversarial Nets", NeurIPS 2020.
"""

import dataclasses
import math

from tools.simulation import convergence, cost_model, report, setups, timing

LEARNERS = "8,16,32,64,128,256"
_ROUNDS = (1, 2, 4, 8, 16)
_SPEED_UP = ("centralized", "ring", "random_ring", "one_peer_exponential")
_NETWORK = "home"
_NOISE = (0.0, 0.3, 1.0, 3.0)


def run(study, workload, sizes, folder):
    """Print four tables and write each as claim_*.tsv; the claims that depend on n as claims.png."""
    one, middle = study.single, sizes[len(sizes) // 2]
    mixing = random_against_fixed(one, sizes)
    title = f"Random mixing against a fixed ring as n grows, learning rate {one.rates[0]:g}"
    _give("random", title, *mixing, folder)
    title = f"Rounds of gossip an iteration, ring of {middle}, the same rate, seconds on the network {_NETWORK}"
    _give("rounds", title, *rounds(one, workload, middle), folder)
    where = f"norms at the {study.at}"
    faster = speed_up(study, sizes)
    _give(
        "speed_up",
        f"Speed-up at equal total batch: a learner's noise grows as sqrt(n), the best rate for each, {where}",
        *faster,
        folder,
    )
    title = f"Noise: steps to target of {middle} learners, the best rate for each, {where}"
    _give("noise", title, *noise(study, middle), folder)
    plot(mixing[1], faster[1], folder)


def random_against_fixed(study, sizes):
    """The closed forms beside what was simulated, the target at the mean and at the learners' own weights.

    Contraction: of the distance to the mean by one exchange; of a random ring the root of its mean square.
    """
    headers = ("learners", "ring: contraction", "random: contraction", "ring: consensus", "random: consensus")
    headers += ("ring: steps (mean)", "random: steps (mean)", "ring: steps (learners)", "random: steps (learners)")
    mean, own = (dataclasses.replace(study, at=at) for at in ("mean", "learners"))
    rows = []
    for size in sizes:
        fixed, random = (_end(mean, setups.parse(name), size) for name in ("ring", "random_ring"))
        contraction = 1 - convergence.gap(setups.parse("ring"), size)
        expected = math.sqrt((size / 3 - 1) / (size - 1)) if size > 3 else 0.0
        reached = (own.best(setups.parse(name), size)[1].reached for name in ("ring", "random_ring"))
        rows.append((size, contraction, expected, fixed[0], random[0], fixed[1], random[1], *reached))
        report.say(f"random mixing, {size} learners: consensus {fixed[0]:.3g} fixed, {random[0]:.3g} random")
    return headers, rows


def rounds(study, workload, size):
    """t plain rounds and the Chebyshev polynomial of t rounds."""
    headers = ("rounds", "W^t: consensus", "Chebyshev: consensus", "W^t: steps", "Chebyshev: steps", "s an iteration")
    rows = []
    for t in _ROUNDS:
        plain, chebyshev = (setups.parse(f"ring+{variant}={t}") for variant in ("rounds", "chebyshev"))
        a, b = _end(study, plain, size), _end(study, chebyshev, size)
        seconds = timing.seconds_an_iteration(plain, size, workload, cost_model.NETWORKS[_NETWORK], seed=study.seed)
        rows.append((t, a[0], b[0], a[1], b[1], seconds))
        report.say(f"{t} rounds: consensus {a[0]:.3g}, Chebyshev {b[0]:.3g}")
    return headers, rows


def speed_up(study, sizes):
    """n steps(1) / steps(n): how much sooner n learners are there than one, in samples taken one after the other.

    Each of the most learners has the study's sigma, each of n a larger share of the batch: sigma sqrt(n / most).
    """
    most = max(sizes)
    alone = study.best(setups.parse("centralized"), 1, sigma=study.sigma / math.sqrt(most))[1].reached
    rows = []
    for size in sizes:
        row = [size]
        for name in _SPEED_UP:
            reached = study.best(setups.parse(name), size, sigma=study.sigma * math.sqrt(size / most))[1].reached
            row += [reached, size * alone / reached if alone and reached else None]
        rows.append(tuple(row))
        report.say(f"speed-up, {size} learners: {', '.join(report.cell(value) for value in row[2::2])}")
    headers = [text for name in _SPEED_UP for text in (f"{name}: steps", "speed-up")]
    return ("learners", *headers), rows


def noise(study, size):
    """Steps against sigma. Adam divides by the root mean square of what it gets, so a learner's own noise shortens its
    steps, and noise that is averaged away before does not.
    """
    names = _SPEED_UP[:3]
    rows = []
    for sigma in _NOISE:
        reached = [study.best(setups.parse(name), size, sigma=sigma)[1].reached for name in names]
        rows.append((sigma, *reached))
        report.say(f"noise {sigma:g}: {', '.join(report.cell(value) for value in reached)} steps")
    return ("sigma", *names), rows


def plot(mixing, faster, folder):
    figure, ((consensus, speed),) = report.panels(1, 2)
    sizes = [row[0] for row in mixing]
    for column, name in ((3, "ring"), (4, "random_ring")):
        consensus.plot(sizes, [row[column] for row in mixing], "o-", label=name)
    consensus.set(xlabel="learners", ylabel="consensus distance at the end")
    for number, name in enumerate(_SPEED_UP):
        there = [(row[0], row[2 + 2 * number]) for row in faster if row[2 + 2 * number] is not None]
        speed.plot([n for n, _ in there], [value for _, value in there], "o-", label=name)
    speed.plot(sizes, sizes, "k:", label="n")
    speed.set(xlabel="learners", ylabel="speed-up at equal total batch")
    for axis in (consensus, speed):
        report.logarithmic(axis)
        axis.legend()
    report.save(figure, folder, "claims.png")


def _end(study, setup, size):
    """(consensus distance, the mean of the last 10 records; steps to the target) of a full run."""
    trace = study.best(setup, size, stop=False)[1]
    return float(trace.consensus[-10:].mean()), trace.reached


def _give(name, title, headers, rows, folder):
    print(f"\n{title}\n{report.table(headers, rows)}")
    report.write_tsv(folder, f"claim_{name}.tsv", headers, rows)
