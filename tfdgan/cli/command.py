"""What the commands share: flags in, exit code out.

Exit codes: 0 done; 2 the user gave something that cannot be used (one line says what); 130 after Ctrl-C before there is
something to save; 141 nobody reads what is printed; 1 anything else.
`horovodrun` turns every failure into 1.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import flags

from tfdgan.cli import flag_errors, flagfile_order, quiet
from tfdgan.distributed import launch
from tfdgan.errors import JobOver, LocalFault, SharedError, TrainingFault, UserError
from tfdgan.options import Options

_NOBODY_READS = 141  # as of a program that SIGPIPE ends
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
    argv: Sequence[str],
    define: Callable[[flags.FlagValues], None],
    kinds: Sequence[type[Options]] = (),
    more: str = "",
) -> flags.FlagValues:
    """Parse `argv` by the flags that `define(flag_values)` defines, flagfiles included.

    Args:
      kinds: classes of options, for the groups of --help.
      more: what else belongs on the command line, for the usage line of --help.
    """
    flag_values = flags.FlagValues()
    define(flag_values)
    flags.DEFINE_boolean("help", False, "Show this help.", short_name="h", flag_values=flag_values)
    ordered = flagfile_order.files_first(argv)
    try:
        rest = flag_values(ordered)
    except flag_errors.CAUGHT as error:
        raise flag_errors.of(error, flag_values, flagfile_order.files(argv)) from error
    if flag_values.help:
        from tfdgan.cli import help

        starts = "[--preset=NAME | --flagfile=FILE]" if "batch_size" in flag_values else "[--flagfile=FILE]"
        usage = " ".join(["usage:", _program(argv), starts, "[--FLAG=VALUE ...]", *([more] if more else [])])
        print(help.text(usage, flag_values, kinds))
        raise SystemExit(0)
    for name in flag_values:
        value = flag_values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: give a finite number")
    if len(rest) > 1:
        raise UserError(f"{rest[1]!r}: flags only, as --name=value")
    return flag_values


def _program(argv: Sequence[str]) -> str:
    """How the command was called."""
    if argv[0].startswith("tfdgan "):
        return argv[0]
    name = os.path.basename(argv[0])
    in_package = os.path.basename(os.path.dirname(os.path.abspath(argv[0]))) == "tfdgan"
    return f"python -m tfdgan.{name.removesuffix('.py')}" if in_package else name


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
    except BrokenPipeError:  # who read what is printed has gone, such as `head`; at exit nothing more may be written
        quiet.lead_nowhere(sys.stdout)
        _end(None, _NOBODY_READS)
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
