"""What the commands share: flags in, exit code out.

Exit codes: 0 done; 2 the user gave something that cannot be used (one line says what); 1 anything else.
`horovodrun` turns every failure into 1.
"""

import math
import os
import sys
import time

from absl import flags

from tfdgan import launch
from tfdgan.errors import LocalFault, SharedError, TrainingFault, UserError

_RANK_0_SPEAKS_FIRST = 10.0  # seconds, as learners of a busy machine come to it one after the other


def parse(argv, define):
    """Parse `argv` by the flags that `define(flag_values)` defines, flagfiles included."""
    flag_values = flags.FlagValues()
    define(flag_values)
    flags.DEFINE_boolean("help", False, "Show this help.", short_name="h", flag_values=flag_values)
    try:
        rest = flag_values(argv)
    except flags.CantOpenFlagFileError as error:
        raise UserError(_without_flagfile(error)) from error
    except flags.UnrecognizedFlagError as error:
        raise UserError(f"--{error.flagname}: no such flag; --help lists them") from error
    except flags.Error as error:
        raise UserError(str(error).replace("\n", " ")) from error
    if flag_values.help:
        print(_help(flag_values))
        raise SystemExit(0)
    for name in flag_values:
        value = flag_values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: give a finite number")
    if len(rest) > 1:
        raise UserError(f"{rest[1]!r}: flags only, as --name=value")
    return flag_values


def _without_flagfile(error):
    """absl's error with the flag as the user gave it, from the error of the file system that it was raised for."""
    cause = error.__context__
    return (
        f"--flagfile={cause.filename}: cannot be read ({cause.strerror})" if isinstance(cause, OSError) else str(error)
    )


def define_workdir(flag_values):
    """The flags by which a command finds a trained generator."""
    flags.DEFINE_string("workdir", None, "Folder of a training run.", flag_values=flag_values)
    flags.DEFINE_string(
        "step",
        None,
        "Which of the kept checkpoints, or best: by the scores kept, or pretrained: where the game begins "
        "(sentences); the newest if left out.",
        flag_values=flag_values,
    )


def required(flag_values, *names):
    """The values of flags that must be given."""
    for name in names:
        if flag_values[name].value in (None, ""):
            raise UserError(f"--{name} is missing")
    return [flag_values[name].value for name in names]


def _help(flag_values):
    names = sorted(name for name in flag_values if len(name) > 1)
    return "\n".join(f"--{name}: {flag_values[name].help}" for name in names)


def run(main, argv):
    """Call `main(argv)` and end the process: errors a user can mend are one line, from one rank."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        main(argv)
    except (SharedError, TrainingFault) as error:
        kind, code = ("fault", 1) if isinstance(error, TrainingFault) else ("error", 2)
        _end(f"{kind}: {error}" if launch.rank() == 0 else None, code)
    except LocalFault as error:
        _end(f"fault: learner {launch.rank()}: {error}", 1)
    except (UserError, OSError) as error:
        if launch.rank():
            # Rank 0 has the same error as a rule, and its exit ends this process during the wait.
            time.sleep(_RANK_0_SPEAKS_FIRST)
        _end(f"error: {error}", 2)
    except KeyboardInterrupt:
        _end("interrupted", 130)


def _end(line, code):
    if line:
        print(line.replace("\n", " "), file=sys.stderr, flush=True)
    sys.exit(code)
