"""horovodrun that gives learners a minute to save after SIGTERM, in place of 5 seconds.

    python -m tfdgan.cli.launching.horovodrun -np 2 --gloo python -m tfdgan.train ...

The process that ends a learner is spawned by horovodrun and imports the main module again, which is this one: so the
longer time holds there, too.
"""

import sys

from horovod.runner.common.util import safe_shell_exec

safe_shell_exec.GRACEFUL_TERMINATION_TIME_S = 60

if __name__ == "__main__":
    from horovod.runner.launch import run_commandline

    sys.exit(run_commandline())
