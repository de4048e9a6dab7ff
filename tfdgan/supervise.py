"""The command `python -m tfdgan.supervise`: run a learner that comes back when it dies.

horovodrun -np 8 python -m tfdgan.supervise -m tfdgan.train --flagfile=...
"""

import sys

from absl import flags

from tfdgan.cli import command
from tfdgan.cli.supervision import Supervisor
from tfdgan.errors import UserError


def main(argv: list[str]) -> None:
    """Parse the flags, run the learner, end as it ended."""
    where = argv.index("-m") if "-m" in argv else len(argv)

    def define(flag_values: flags.FlagValues) -> None:
        text = "How often a learner is started again, in all."
        flags.DEFINE_integer("max_restarts", 20, text, lower_bound=0, flag_values=flag_values)

    found = command.parse(argv[:where], define, more="-m MODULE [--FLAG=VALUE ...]")
    if not argv[where + 1 :]:
        raise UserError("-m is missing: give the learner's command, such as -m tfdgan.train --flagfile=...")
    learner = [sys.executable, "-m", *argv[where + 1 :], "--on_peer_loss=degrade"]
    sys.exit(Supervisor(learner, found.max_restarts).run())


if __name__ == "__main__":
    command.run(main, sys.argv)
