"""The command `python -m tfdgan.export`: the consensus generator as a SavedModel."""

import sys

from tfdgan.cli import command, flagfiles
from tfdgan.cli.options import ExportOptions


def main(argv: list[str]) -> None:
    """Parse the flags and write the SavedModel."""
    given = command.parse_options(argv, ExportOptions)
    workdir, output = command.require(given, "workdir", "output")
    flagfiles.load(workdir)

    from tfdgan.cli import saved_model
    from tfdgan.cli import workdir as workdirs

    task, sampler, step = workdirs.load(workdir, given.get("step"))
    names = saved_model.write(task.module(sampler), output)
    print(f"{output}: the generator of step {step}, {sampler.label}; signature(s) {' and '.join(reversed(names))}")


if __name__ == "__main__":
    command.run(main, sys.argv)
