"""The command `python -m tfdgan.export`: the consensus generator as a SavedModel, a Keras file and a model card."""

import sys

from tfdgan.cli import command, flagfiles, loading
from tfdgan.cli.options import ExportOptions
from tfdgan.options import references


def main(argv: list[str]) -> None:
    """Parse the flags and write the folder."""
    given = command.parse_options(argv, ExportOptions)
    workdir, output = command.require(given, "workdir", "output")
    trained = flagfiles.load(workdir)

    loading.load_tensorflow(whole=references.named_in(trained))
    from tfdgan.cli.exports import export

    for line in export.write(workdir, given.get("step"), output, tflite=given.get("tflite", False)):
        print(line)


if __name__ == "__main__":
    command.run(main, sys.argv)
