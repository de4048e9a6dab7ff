"""The command `python -m tfdgan.report`: one HTML page about a run, which needs no network and no other file.

It also tells of a run that is still training. TensorFlow is not loaded.
"""

import sys

from tfdgan.cli import command
from tfdgan.cli.options import ReportOptions


def main(argv: list[str]) -> None:
    """Parse the flags and write the page."""
    given = command.parse_options(argv, ReportOptions)
    (workdir,) = command.require(given, "workdir")

    from tfdgan.cli.reports import report

    print(report.write(workdir, given.get("output", "")))


if __name__ == "__main__":
    command.run(main, sys.argv)
