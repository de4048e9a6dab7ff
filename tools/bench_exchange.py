"""What an exchange costs, by backend: tables, ratios and plots, each measured in one run on this machine.

    python tools/bench_exchange.py --part=sizes,slow,overlap,long,sealed --output=runs/exchange

sizes: what an exchange over a ring takes for 1e3 to 1e8 bytes and 2, 4, 8 learners, by TCP and by shared memory, beside
alltoall, allreduce and plain sockets. slow: who waits for a learner that sleeps 200 ms a step. overlap: a step that
computes while its exchange is under way, over a link that holds every frame. long: 100 MB each way over links of 2, 50
and 100 ms round trip, beside one plain TCP connection. sealed: what encrypting costs, beside `openssl speed`. About 25
minutes in all on 2 cores.
"""

import json
import os
import subprocess
import sys

from absl import flags
from matplotlib.figure import Figure

from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.storage import files

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PARTS = ("sizes", "slow", "overlap", "long", "sealed")
_ROUND_TRIPS = (2, 50, 100)  # milliseconds
_BYTES = ("1000", "10000", "100000", "1000000", "4000000", "10000000", "100000000")


def _define(flag_values):
    flags.DEFINE_list("part", list(_PARTS), f"Of {', '.join(_PARTS)}.", flag_values=flag_values)
    flags.DEFINE_list("learners", ["2", "4", "8"], "Numbers of learners (sizes).", flag_values=flag_values)
    flags.DEFINE_list("bytes", list(_BYTES), "Sizes of the tensors of a learner (sizes).", flag_values=flag_values)
    flags.DEFINE_float("hold", 40, "Milliseconds that the link holds a frame (overlap).", flag_values=flag_values)
    flags.DEFINE_string("output", "runs/exchange", "Folder for plots and result.json.", flag_values=flag_values)


def measure(learners, *arguments):
    """What learner 0 of a fresh job found."""
    line = ["horovodrun", "-np", str(learners), sys.executable, "-m", "tools.exchange.learner", *map(str, arguments)]
    done = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True)
    found = [part.partition("RESULT ")[2] for part in done.stdout.splitlines() if "RESULT " in part]
    if not found:
        raise UserError(f"{' '.join(line)} failed: {(done.stderr or done.stdout)[-1500:]}")
    return json.loads(found[0])


def sizes(options, folder):
    """Table and plot of cost against size."""
    results = {}
    for learners in options.learners:
        numbers = [max(1, int(size) // 4) for size in options.bytes]
        for name, shared in (("TCP", "off"), ("shared memory", "auto")):
            rows = results[f"{learners} learners, {name}"] = measure(learners, "sizes", shared, *numbers)
            ways = list(rows[0]["seconds"])
            print(f"\n{learners} learners, ring, native by {name}, medians of 7 blocks")
            print("milliseconds an exchange, the slowest learner's; CPU-milliseconds, all learners'")
            print(f"{'float32':>10}  " + "".join(f"{way:>17}" for way in ways))
            for row in rows:
                both = [f"{1e3 * row['seconds'][way]:>8.2f};{1e3 * row['cpu'][way]:>8.2f}" for way in ways]
                print(f"{row['numbers']:>10}  " + "".join(both) + "   " + _compared(row), flush=True)
    figure = Figure(figsize=(4.2 * len(results), 4), layout="constrained")
    for axis, (name, rows) in zip(figure.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True):
        for way in rows[0]["seconds"]:
            axis.loglog([4 * r["numbers"] for r in rows], [1e3 * r["seconds"][way] for r in rows], "o-", label=way)
        axis.set(title=name, xlabel="bytes of weights", ylabel="ms an exchange")
        axis.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(os.path.join(folder, "exchange_sizes.png"), dpi=100)
    return results


def _compared(row):
    seconds, cpu, sent = row["seconds"], row["cpu"], row["sent"]
    return (
        f"native: {seconds['alltoall'] / seconds['native']:.2f} times as fast as alltoall, "
        f"{seconds['native'] / seconds['plain sockets']:.2f} of plain "
        f"({cpu['native'] / cpu['plain sockets']:.2f} of its CPU time), "
        f"{seconds['native'] / seconds['plain and mixing']:.2f} of plain and mixing; "
        f"bfloat16: {sent['native bfloat16'] / sent['native']:.3f} of the bytes"
    )


def slow(options, folder):
    """Who waits for whom."""
    del options
    results = {name: measure(8, "slow", backend) for name, backend in (("native", "native"), ("alltoall", "horovod"))}
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axis, (name, ends) in zip(figure.subplots(1, 2, sharey=True), results.items(), strict=True):
        print(f"\n{name}: milliseconds after which learners at a distance from the slow one have finished steps 1 to 8")
        for distance in range(5):
            mean = [(ends[distance][k] + ends[-distance][k]) / 2 for k in range(8)]
            print(f"  {distance} hops  " + "".join(f"{1e3 * t:>8.0f}" for t in mean))
            axis.plot(range(1, 9), [1e3 * t for t in mean], "o-", label=f"{distance} hops away")
        axis.set(title=name, xlabel="steps finished", ylabel="milliseconds")
        axis.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(os.path.join(folder, "exchange_slow_learner.png"), dpi=100)
    return results


def overlap(options, folder):
    """A step against its parts, and its timeline."""
    found = measure(2, "overlap", options.hold)
    seconds = found["seconds"]
    longer = max(seconds["compute"], seconds["exchange"])
    print(f"\noverlap, 2 learners with one thread each, a link that holds frames for {options.hold:g} ms: milliseconds")
    print("".join(f"  {name} {1e3 * value:.1f}" for name, value in seconds.items()))
    print(f"  a step takes {seconds['both'] / longer:.3f} of the longer part (one after the other: "
          f"{(seconds['compute'] + seconds['exchange']) / longer:.2f})")  # fmt: skip
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axis = figure.subplots()
    zero = min(step[0] for steps in found["timeline"] for step in steps)
    for learner, steps in enumerate(found["timeline"]):
        for index, (begun, computed, exchanged) in enumerate(steps):
            for row, end, color, label in ((0.2, computed, "C0", "gradient"), (-0.2, exchanged, "C1", "exchange")):
                first = learner == index == 0
                axis.barh(learner + row, 1e3 * (end - begun), 0.36, 1e3 * (begun - zero), color=color,
                          edgecolor="white", label=label if first else None)  # fmt: skip
    axis.set(yticks=[0, 1], yticklabels=["learner 0", "learner 1"], xlabel="milliseconds")
    axis.legend(loc="lower right")
    figure.savefig(os.path.join(folder, "exchange_overlap.png"), dpi=100)
    return found


def long(options, folder):
    """Rates over long links."""
    del options, folder
    results = {}
    print("\n100 MB each way between 2 learners, a relay in between (median of 5)")
    for milliseconds in _ROUND_TRIPS:
        found = results[milliseconds] = measure(2, "long", milliseconds / 2)
        rates = {way: 8e-6 * found["bytes"] / seconds for way, seconds in found["seconds"].items()}
        print(
            f"  {milliseconds:>4} ms round trip: "
            + ", ".join(f"{way} {rate:.0f} Mbit/s" for way, rate in rates.items())
            + f"; {rates['native'] / rates['plain sockets']:.2f} of plain",
            flush=True,
        )
    return results


def sealed(options, folder):
    """CPU time by --wire_security, beside the library's own measure."""
    del options, folder
    done = subprocess.run(
        ["openssl", "speed", "-bytes", "262144", "-seconds", "3", "-evp", "aes-256-gcm"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    speed = 1e3 * float(done.stdout.split()[-1].rstrip("k"))
    results = {name: measure(2, "sealed", name) for name in ("none", "authenticated", "encrypted")}
    print(
        f"\n100 MB each way between 2 learners on one host, by TCP; openssl speed: {speed / 1e9:.2f} GB/s (AES-256-GCM)"
    )
    for name, found in results.items():
        more = found["cpu"] - results["none"]["cpu"]
        pure = 4 * found["bytes"] / speed  # two learners, each seals and opens
        print(
            f"  {name:>14}: {1e3 * found['cpu']:.0f} CPU-ms, {1e3 * found['seconds']:.0f} ms; "
            + (f"{1e3 * more:.0f} CPU-ms more, {more / pure:.2f} of what openssl speed says" if name != "none" else ""),
            flush=True,
        )
    return {"openssl speed": speed, **results}


def main(argv):
    options = command.parse(argv, _define)
    unknown = sorted(set(options.part) - set(_PARTS))
    if unknown:
        raise UserError(f"--part={unknown[0]}: choose of {', '.join(_PARTS)}")
    os.makedirs(options.output, exist_ok=True)
    results = {
        part: {"sizes": sizes, "slow": slow, "overlap": overlap, "long": long, "sealed": sealed}[part](
            options, options.output
        )
        for part in options.part
    }
    files.write_text(os.path.join(options.output, "result.json"), json.dumps(results))
    print(f"\nplots: {options.output}")


if __name__ == "__main__":
    command.run(main, sys.argv)
