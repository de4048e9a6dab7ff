"""Before the threads of busy learners, which saturate the cores that a real network would not need."""

import contextlib
import os


def hurry():
    """Give this thread, not what it starts, the lowest real-time priority, or what is nearest to it that is allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:  # a container may have none of it
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)  # 0: this thread
