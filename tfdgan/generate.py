"""The command `python -m tfdgan.generate`: draw samples of the consensus generator into one picture."""

import sys

from absl import flags

from tfdgan import command, config
from tfdgan.errors import UserError


def _define(flag_values):
    command.define_workdir(flag_values)
    flags.DEFINE_integer("num", 64, "How many samples.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Of the latents.", lower_bound=0, flag_values=flag_values)
    flags.DEFINE_string("output", None, "The picture, a .png file.", flag_values=flag_values)


def main(argv):
    flag_values = command.parse(argv, _define)
    workdir, output = command.required(flag_values, "workdir", "output")
    if not output.endswith(".png"):
        raise UserError(f"--output={output}: give a name that ends in .png")
    config.load(workdir)

    from tfdgan import files, pictures, trained

    task, sampler, step = trained.load(workdir, flag_values.step)
    picture = task.picture(sampler, flag_values.num, flag_values.seed)
    if picture is None:
        raise UserError("these samples are neither images of 1 or 3 channels nor points of the plane; use export")
    with files.replacing(output) as file:
        file.write(pictures.to_png(picture))
    print(f"{output}: {flag_values.num} samples of step {step}, {sampler.label}")


if __name__ == "__main__":
    command.run(main, sys.argv)
