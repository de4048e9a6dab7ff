"""All commands under one name: `tfdgan train ...` is `python -m tfdgan.train ...`."""

import importlib
import sys

import tfdgan
from tfdgan.cli import command
from tfdgan.errors import UserError
from tfdgan.options.names import meant

COMMANDS = {
    "train": "train a GAN, alone or with other learners",
    "doctor": "say whether training can start here, and what mends it",
    "launch": "start several learners: launch -np 8 train --preset=cifar",
    "supervise": "start a learner again when it dies: supervise -m tfdgan.train --flagfile=...",
    "evaluate": "score a trained generator",
    "generate": "write samples of a trained generator",
    "export": "write a SavedModel, a Keras file and a model card",
    "report": "write one HTML page about a run: samples, curves, scores",
    "compare": "train by several arms and seeds, and put the scores side by side",
}


def main() -> None:
    """Do what the command line asks for."""
    command.run(_main, sys.argv)


def _main(argv: list[str]) -> None:
    """Do what the first word asks for."""
    name, arguments = (argv[1], argv[2:]) if len(argv) > 1 else ("--help", [])
    if name == "help" and arguments:
        name, arguments = arguments[0], ["--help"]
    if name in ("--help", "-h", "help"):
        width = max(map(len, COMMANDS))
        lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
        print("\n".join(["usage: tfdgan COMMAND [--FLAG=VALUE ...]", *lines, "tfdgan COMMAND --help lists flags"]))
    elif name in ("--version", "version"):
        print(f"tfdgan {tfdgan.__version__}")
    elif name in COMMANDS:
        importlib.import_module(f"tfdgan.{name}").main([f"tfdgan {name}", *arguments])
    else:
        raise UserError(f"{name}: no such command{meant(name, COMMANDS)}")


if __name__ == "__main__":
    main()
