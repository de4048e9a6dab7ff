"""`python tests/launcher.py ARGUMENTS...` does what `horovodrun ARGUMENTS...` does, but takes it that Gloo is built in.

To learn that, Horovod's launcher forks a process that loads TensorFlow, some 6 seconds of a core at every start.
"""

import sys

from horovod.runner import launch

if __name__ == "__main__":
    launch.gloo_built = lambda verbose=False: True
    sys.exit(launch.run_commandline())
