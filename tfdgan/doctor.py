"""The command `python -m tfdgan.doctor`: whether training can start in this environment, and what mends it.

python -m tfdgan.doctor [--fix] [--format=json]

Exit code 0 if one learner at least can train, 1 if not.
"""

import sys
from collections.abc import Callable

from absl import flags

from tfdgan.cli import command
from tfdgan.cli.doctor import examination, mending, printing
from tfdgan.cli.doctor.finding import Finding, Way, open_ways
from tfdgan.distributed import launch
from tfdgan.errors import UserError


def _define(flag_values: flags.FlagValues) -> None:
    text = "Form of the findings: a line each, or one JSON object for programs."
    flags.DEFINE_enum("format", "text", ["text", "json"], text, flag_values=flag_values)
    text = "Install Horovod for this TensorFlow and build the native exchange, where either is missing or broken."
    flags.DEFINE_boolean("fix", False, text, flag_values=flag_values)


def main(argv: list[str]) -> None:
    """Parse the flags, examine, mend if asked to, and end with the exit code."""
    flag_values = command.parse(argv, _define)
    if not launch.is_alone():
        raise UserError("doctor: started by a launcher; start it without, on each host")
    is_text = flag_values.format == "text"
    say = _say if is_text else _say_aside
    findings = _examine(say if is_text or flag_values.fix else None)
    if flag_values.fix:
        if fixes := mending.wanted(findings):
            mending.mend(fixes, say)
            findings = _examine(say)
        else:
            say("nothing here that --fix mends")
    if not is_text:
        print(printing.as_json(findings))
    sys.exit(0 if Way.ALONE in open_ways(findings) else 1)


def _examine(say: Callable[[str], None] | None) -> list[Finding]:
    """All findings, each said as soon as it is known, and then what they come to."""
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        if say:
            say(printing.line(finding))
    if say:
        say(printing.verdict(findings))
    return findings


def _say(line: str) -> None:
    print(line, flush=True)


def _say_aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(main, sys.argv)
