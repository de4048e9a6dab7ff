"""The command `python -m tfdgan.generate`: samples of the consensus generator.

The task decides what is written: a picture, arrays, sentences, or the user's sentences in another style.
"""

import sys
from typing import Any

from tfdgan.cli import command, flagfiles, loading
from tfdgan.cli.options import WorkdirOptions
from tfdgan.errors import UserError
from tfdgan.options import Options, references
from tfdgan.tasks import names


def main(argv: list[str]) -> None:
    """Parse the flags and write samples."""
    kinds = names.generate_options(flagfiles.task_asked(argv))
    given = command.parse_options(argv, WorkdirOptions, *kinds.values())
    (path,) = command.require(given, "workdir")
    options = flagfiles.load(path)
    kind = kinds[options.task]
    own = {name: value for name, value in given.items() if name not in WorkdirOptions.names()}
    wanted = _wanted(options.task, own, kind)

    loading.load_tensorflow(whole=references.named_in(options))
    from tfdgan.cli import workdir as workdirs

    changes = {name: own[name] for name in ("inception", "data_dir", "dataset", "beam") if name in own}
    task, sampler, step = workdirs.load(path, given.get("step"), **changes)
    written = task.write_samples(sampler, step, wanted)
    # If samples go to standard output, nothing else may go there.
    stream = sys.stdout if wanted.output else sys.stderr
    print(f"{wanted.output or 'written'}: {written} of step {step}, {sampler.label}", file=stream)


def _wanted(task: str, given: dict[str, Any], kind: type[Options]) -> Any:
    """The task's options; raises `UserError` if a flag is for another task."""
    for name, value in given.items():
        if name not in kind.names():
            raise UserError(f"--{name}={value}: means nothing for --task={task}")
    return kind(**given)


if __name__ == "__main__":
    command.run(main, sys.argv)
