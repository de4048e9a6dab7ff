"""Horovod's elastic mode under the kills of tools/experiments/kills.py: centralized training. Root, Linux.

    python tools/experiments/elastic.py --output=runs/elastic --every=0,60 --learners=8 --rate=100mbit --delay=20ms \\
        -- --flagfile=configs/gaussians.flags --steps=2000

The learners are tools/experiments/elastic_learner.py, under

    horovodrun --gloo -np 8 --min-np 1 --max-np 8 --host-discovery-script hosts.sh --blacklist-cooldown-range 1 5 ...

where hosts.sh prints a line HOST:1 for each learner, those that were killed too. elastic.md shows of each run what
kills.md shows. Runs that are there are not made again.
"""

import json
import os
import pathlib
import sys

import killing
import kills
from absl import flags

from tfdgan.cli import command
from tfdgan.storage import files
from tools.network import jobs, links, namespaces
from tools.network.lab import Lab

_LEARNER = str(pathlib.Path(__file__).with_name("elastic_learner.py"))
_COOLDOWN = ("1", "5")  # seconds, the least and the most, for which a host whose learner has died is left out


def _define(flag_values):
    kills.define(flag_values)
    flags.DEFINE_integer("seed", 0, "Of the job and of the choice of learners.", flag_values=flag_values)


def ticks(workdir):
    """[(wall time, step, learners)] of a run, in the order of time: after a loss steps are taken again."""
    path = f"{workdir}/ticks.jsonl"
    if not os.path.isfile(path):
        return []
    with open(path) as file:
        return [(tick["time"], tick["step"], tick["learners"]) for tick in map(json.loads, file)]


def launch(lab, line, **streams):
    """Run a learner's command under horovodrun's elastic mode: the finished process."""
    (workdir,) = (word.removeprefix("--workdir=") for word in line if word.startswith("--workdir="))
    hosts = f"{workdir}/hosts.sh"
    names = " ".join(f"{namespaces.name(rank)}:1" for rank in range(lab.learners))
    files.write_text(hosts, f"#!/bin/sh\nprintf '%s\\n' {names}\n")
    os.chmod(hosts, 0o755)
    elastic = [jobs.launcher(), "--gloo", "-np", str(lab.learners), "--min-np", "1", "--max-np", str(lab.learners)]
    elastic += ["--host-discovery-script", hosts, "--blacklist-cooldown-range", *_COOLDOWN]
    elastic += ["--network-interface", namespaces.DEVICE, "--disable-cache"]
    return lab.run_on(0, [*elastic, *line], kills.ENVIRONMENT, **streams)


def main(argv):
    options, output, learner = kills.asked(argv, _define)
    jobs.end_by_signals()
    line = [sys.executable, _LEARNER, *learner, f"--seed={options.seed}"]
    columns = {}
    for every in map(float, options.every):
        workdir = os.path.abspath(os.path.join(output, f"seed_{options.seed}", f"every_{every:g}"))
        killer = killing.Killer(workdir, _LEARNER, lambda at=workdir: ticks(at), every, options.minutes, options.seed)
        lab = Lab(options.learners, links.rate(options.rate), links.delay(options.delay), {}, "auto")
        kills.run(workdir, lab, line, killer, launch)
        usual = columns[0.0][0].get("steps a second") if 0.0 in columns else None
        columns[every] = [kills.figures(workdir, ticks(workdir), usual, options.learners)]
    lines = kills.lines(columns)
    files.write_text(os.path.join(output, "elastic.md"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    command.run(main, sys.argv)
