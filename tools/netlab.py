"""A command on learners that are joined by links of a rate and a delay, on one machine. Root, Linux.

    python tools/netlab.py --learners=8 --rate=100mbit --delay=20ms -- python -m tfdgan.train --flagfile=...
    python tools/netlab.py --learners=8 --rate=20mbit --delay=50ms --slow_link=3:5mbit:100ms --check_only

Each learner has a network namespace and a host name of its own, and one link, full duplex, to a switch: `--rate` is
what it sends and receives at, `--delay` the time one way from learner to learner. Before the command runs under
horovodrun, round trips and TCP's rate are measured; unless they are within 10% of what was asked nothing runs. The
exit code is horovodrun's. Nothing is left when this ends, and the learners reach nothing but each other. The switch
and the checks run at real-time priority, whatever this command's own.
"""

import contextlib
import os
import secrets
import sys

from absl import flags

from tfdgan.cli import command
from tfdgan.errors import UserError
from tools.network import jobs, links
from tools.network.lab import Lab


def _define(flag_values):
    flags.DEFINE_integer("learners", 2, "How many.", flag_values=flag_values)
    text = "Of each learner's link, each way: a number and bit, kbit, mbit or gbit (a second)."
    flags.DEFINE_string("rate", "100mbit", text, flag_values=flag_values)
    text = "From a learner to another, one way: a number and us, ms or s."
    flags.DEFINE_string("delay", "20ms", text, flag_values=flag_values)
    text = (
        "RANK:RATE or RANK:RATE:DELAY of learners with a link of their own; DELAY is to and from any learner without, "
        "between two with one it is the sum of theirs less --delay."
    )
    flags.DEFINE_list("slow_link", [], text, flag_values=flag_values)
    text = (
        "Who holds the frames: the kernel (netem: never run so far) or a switch in user space (tap); auto is netem if "
        "there is one."
    )
    flags.DEFINE_enum("by", "auto", ["auto", "netem", "tap"], text, flag_values=flag_values)
    text = "A file to write a fresh key to, for --wire_key_file of the command: a lab's learners share their disk."
    flags.DEFINE_string("make_key", "", text, flag_values=flag_values)
    flags.DEFINE_boolean("check_only", False, "Measure the links and end.", flag_values=flag_values)


def make_key(path):
    """A new key that only its owner may read, in place of what the file held."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")


def main(argv):
    cut = argv.index("--") if "--" in argv else len(argv)
    options, line = command.parse(argv[:cut], _define), argv[cut + 1 :]
    if not line and not options.check_only:
        raise UserError("no command: give it after --, as -- python -m tfdgan.train --flagfile=...")
    if line and options.check_only:
        raise UserError(f"--check_only: {line[0]} would not run; leave one of them out")
    slow = links.slow(options.slow_link, options.learners)
    lab = Lab(options.learners, links.rate(options.rate), links.delay(options.delay), slow, options.by)
    if options.make_key:
        make_key(options.make_key)
    jobs.end_by_signals()
    with lab:
        lab.check(say=lambda text: print(text, flush=True))
        if not options.check_only:
            code = lab.run(line).returncode
            # A command that a signal has ended: as shells have it.
            raise SystemExit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    command.run(main, sys.argv)
