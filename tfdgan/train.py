"""The command `python -m tfdgan.train`: train a GAN, alone or with other learners."""

import faulthandler
import signal
import sys

from tfdgan.cli import command, flagfiles, loading, presets
from tfdgan.cli.options import TrainOptions
from tfdgan.distributed import launch
from tfdgan.errors import UserError
from tfdgan.options import references


def main(argv: list[str]) -> None:
    """Parse the flags and train."""
    argv = presets.replaced(argv)
    kind = flagfiles.kind_asked(argv)
    given = command.parse_options(argv, kind, TrainOptions)
    tries = given.pop("dry_run", False)
    options = flagfiles.asked(given, kind)
    for name in ("model", "dataset"):
        if getattr(options, name) == "given":
            raise UserError(f"--{name}=given: what Python passes in; a command needs a name or package.module:function")
    if options.rendezvous:
        launch.give(*options.place(*launch.place()))
    options.check_files()
    if (size := launch.size()) is not None:
        options.check_learners(size)
    command.require({"workdir": options.workdir}, "workdir")

    if sys.stderr is not None and hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # where a learner stands that others wait for: the stack of each thread
    loading.load_tensorflow(whole=references.named_in(options))  # only now, so that errors in the flags show at once
    if tries:
        from tfdgan.cli.dry_run import dry_run

        dry_run(options)
    else:
        from tfdgan.cli.fit import fit

        fit(options)


if __name__ == "__main__":
    command.run(main, sys.argv)
