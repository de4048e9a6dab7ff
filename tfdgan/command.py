"""What the commands share: flags in, exit code out.

Exit codes: 0 done; 2 the user gave something that cannot be used (one line says what); 1 anything else.
`horovodrun` turns every failure into 1.
"""

import os
import sys
import time

from absl import flags

from tfdgan import launch
from tfdgan.errors import TrainingFault, UserError

_RANK_0_SPEAKS_FIRST = 3.0  # seconds


def parse(argv, define):
    """Parse `argv` by the flags that `define(flag_values)` defines, flagfiles included."""
    flag_values = flags.FlagValues()
    define(flag_values)
    flags.DEFINE_boolean("help", False, "Show this help.", short_name="h", flag_values=flag_values)
    try:
        rest = flag_values(argv)
    except flags.Error as error:
        raise UserError(str(error).replace("\n", " ")) from error
    if flag_values.help:
        print(flag_values.get_help() if not argv[0] else _help(flag_values))
        raise SystemExit(0)
    if len(rest) > 1:
        raise UserError(f"{rest[1]!r}: flags only, as --name=value")
    return flag_values


def _help(flag_values):
    names = sorted(name for name in flag_values if len(name) > 1)
    return "\n".join(f"--{name}: {flag_values[name].help}" for name in names)


def run(main, argv):
    """Call `main(argv)` and end the process: errors a user can mend are one line, from one rank."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        main(argv)
    except UserError as error:
        if launch.rank():
            # Rank 0 has the same error as a rule, and its exit ends this process during the wait.
            time.sleep(_RANK_0_SPEAKS_FIRST)
        _end(f"error: {error}", 2)
    except TrainingFault as error:
        if launch.rank():
            time.sleep(_RANK_0_SPEAKS_FIRST)
        _end(f"fault: {error}", 1)
    except KeyboardInterrupt:
        _end("interrupted", 130)


def _end(line, code):
    print(line.replace("\n", " "), file=sys.stderr, flush=True)
    sys.exit(code)
