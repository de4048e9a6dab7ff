"""What the commands share: flags in, exit code out.

Exit codes: 0 done; 2 the user gave something that cannot be used (one line says what); 1 anything else.
`horovodrun` turns every failure into 1.
"""

import math
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import flags

from tfdgan.cli import quiet
from tfdgan.distributed import launch
from tfdgan.errors import JobOver, LocalFault, SharedError, TrainingFault, UserError
from tfdgan.options import Options
from tfdgan.options.names import meant

_RANK_0_SPEAKS_FIRST = 10.0  # seconds, as learners of a busy machine come to it one after the other


def parse_options(argv: Sequence[str], *kinds: type[Options]) -> dict[str, Any]:
    """{name: value} of the options that a command line gives, out of all options of `kinds`, flagfiles included."""
    from tfdgan.cli import flagfiles  # which loads what options are made of: the doctor runs where some of that lacks

    def define(flag_values: flags.FlagValues) -> None:
        for kind in kinds:
            flagfiles.define(flag_values, kind)

    flag_values = parse(argv, define, kinds)
    return {name: value for kind in kinds for name, value in flagfiles.given(flag_values, kind).items()}


def parse(
    argv: Sequence[str], define: Callable[[flags.FlagValues], None], kinds: Sequence[type[Options]] = ()
) -> flags.FlagValues:
    """Parse `argv` by the flags that `define(flag_values)` defines, flagfiles included.

    Args:
      kinds: classes of options, for the groups of --help.
    """
    flag_values = flags.FlagValues()
    define(flag_values)
    flags.DEFINE_boolean("help", False, "Show this help.", short_name="h", flag_values=flag_values)
    try:
        rest = flag_values(argv)
    except flags.CantOpenFlagFileError as error:
        raise UserError(_without_flagfile(error)) from error
    except flags.UnrecognizedFlagError as error:
        known = meant(error.flagname, flag_values, otherwise="; --help lists them", prefix="--")
        raise UserError(f"--{error.flagname}: no such flag{known}") from error
    except flags.Error as error:
        raise UserError(_plain(error)) from error
    if flag_values.help:
        from tfdgan.cli import help

        starts = "[--preset=NAME | --flagfile=FILE]" if "batch_size" in flag_values else "[--flagfile=FILE]"
        print(help.text(f"usage: {_program(argv)} {starts} [--FLAG=VALUE ...]", flag_values, kinds))
        raise SystemExit(0)
    for name in flag_values:
        value = flag_values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: give a finite number")
    if len(rest) > 1:
        raise UserError(f"{rest[1]!r}: flags only, as --name=value")
    return flag_values


_WANTED = {
    "invalid literal for int()": "give a whole number",
    "could not convert string to float": "give a number",
    "Non-boolean argument to boolean flag": "give true or false, or --NAME and --noNAME",
}


def _plain(error: flags.Error) -> str:
    """The message of absl's error: of a value of another kind, what is wanted."""
    text = str(error).replace("\n", " ")
    if found := re.match(r"flag --(\w+)=(.*?): (.*)", text):
        name, value, why = found.groups()
        wanted = next((wanted for start, wanted in _WANTED.items() if start in why), why)
        return f"--{name}={value}: {wanted.replace('NAME', name)}"
    return text


def _program(argv: Sequence[str]) -> str:
    """How the command was called."""
    if argv[0].startswith("tfdgan "):
        return argv[0]
    name = os.path.basename(argv[0])
    in_package = os.path.basename(os.path.dirname(os.path.abspath(argv[0]))) == "tfdgan"
    return f"python -m tfdgan.{name.removesuffix('.py')}" if in_package else name


def _without_flagfile(error: flags.CantOpenFlagFileError) -> str:
    """The message of absl's error with the flag as the user gave it, which the file system's error tells."""
    cause = error.__context__
    if isinstance(cause, OSError):
        return f"--flagfile={cause.filename}: cannot be read ({cause.strerror})"
    return str(error)


def require(values: dict[str, Any], *names: str) -> list[Any]:
    """The values of options that must be given. Raises `UserError` if one is not."""
    for name in names:
        if values.get(name) in (None, ""):
            raise UserError(f"--{name} is missing: give --{name}=...")
    return [values[name] for name in names]


def required(flag_values: flags.FlagValues, *names: str) -> list[Any]:
    """The values of flags that must be given. Raises `UserError` if one is not."""
    return require({name: flag_values[name].value for name in names}, *names)


def run(main: Callable[[list[str]], None], argv: list[str]) -> None:
    """Call `main(argv)` and end the process: errors a user can mend are one line, from one learner."""
    quiet.be_quiet()
    try:
        main(argv)
    except JobOver as error:
        print(f"learner {launch.rank()} is not needed any more: {error}", flush=True)
    except TrainingFault as error:
        _end(f"fault: {error}" if launch.has_floor() else None, 1)
    except SharedError as error:
        _end(f"error: {error.as_flags()}" if launch.has_floor() else None, 2)
    except LocalFault as error:
        _end(f"fault: learner {launch.rank()}: {error}", 1)
    except (UserError, OSError) as error:
        if launch.rank():
            # Learner 0 has the same error as a rule, and its exit ends this process during the wait.
            time.sleep(_RANK_0_SPEAKS_FIRST)
        _end(f"error: {error.as_flags() if isinstance(error, UserError) else error}", 2)
    except KeyboardInterrupt:
        _end("interrupted", 130)


def _end(line: str | None, code: int) -> NoReturn:
    if line:
        print(line.replace("\n", " "), file=sys.stderr, flush=True)
    sys.exit(code)
