"""The command `python -m tfdgan.train`: train a GAN, alone or with other learners."""

import sys

from tfdgan import command, flagfiles, launch
from tfdgan.errors import UserError


def main(argv):
    flag_values = command.parse(argv, flagfiles.define)
    settings = flagfiles.asked(flag_values)
    for name in ("model", "dataset"):
        if getattr(settings, name) == "given":
            raise UserError(f"--{name}=given: what Python passes in; a command needs a name or package.module:function")
    settings.check_files()
    if launch.size() is not None:
        settings.check_learners(launch.size())
    command.required(flag_values, "workdir")

    # TensorFlow is loaded only now: what is wrong with the flags is said at once.
    from tfdgan import tasks
    from tfdgan.training.loop import train

    train(settings, tasks.make(settings))


if __name__ == "__main__":
    command.run(main, sys.argv)
