"""The command `python -m tfdgan.export`: the consensus generator as a SavedModel."""

import sys

from absl import flags

from tfdgan import command, flagfiles


def _define(flag_values):
    command.define_workdir(flag_values)
    flags.DEFINE_string("output", None, "The SavedModel's folder; must not exist yet.", flag_values=flag_values)


def main(argv):
    flag_values = command.parse(argv, _define)
    workdir, output = command.required(flag_values, "workdir", "output")
    flagfiles.load(workdir)

    from tfdgan import saved_model, trained

    task, sampler, step = trained.load(workdir, flag_values.step)
    names = saved_model.export(task.module(sampler), output)
    print(f"{output}: the generator of step {step}, {sampler.label}; signature(s) {' and '.join(reversed(names))}")


if __name__ == "__main__":
    command.run(main, sys.argv)
