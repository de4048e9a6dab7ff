"""The command `python -m tfdgan.generate`: samples of the consensus generator: a picture, arrays or sentences."""

import sys

from absl import flags

from tfdgan import command, config
from tfdgan.errors import UserError

_LAYOUTS = ("grid", "interpolation", "classes")


def _define(flag_values):
    command.define_workdir(flag_values)
    flags.DEFINE_integer(
        "num", 64, "How many samples; of interpolations: paths; of classes: samples each.", 1, flag_values=flag_values
    )
    flags.DEFINE_integer("seed", 0, "Of the latents.", lower_bound=0, flag_values=flag_values)
    flags.DEFINE_enum(
        "layout",
        "grid",
        _LAYOUTS,
        "grid; interpolation: a path from one latent to another in each row; classes: each class in a row, the same "
        "latents in each column.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer("frames", None, "Samples along a path (default: 8).", 2, flag_values=flag_values)
    flags.DEFINE_integer("label", None, "The class of all samples.", 0, flag_values=flag_values)
    flags.DEFINE_float(
        "truncation",
        None,
        "Largest number in a latent: fewer kinds of samples, fewer bad ones.",
        flag_values=flag_values,
    )
    flags.DEFINE_float("temperature", None, "Of words: below 1 likelier ones (default: 1).", flag_values=flag_values)
    flags.DEFINE_string(
        "output",
        None,
        "A .png file, or a .npz file of samples, latents and labels; of text a .txt file, a sentence a line.",
        flag_values=flag_values,
    )


def _check(flag_values, settings, output):
    """Raise `UserError` unless the flags fit what the workdir generates."""
    kinds = (".txt",) if settings.task == "text" else (".png", ".npz")
    if not output.endswith(kinds):
        raise UserError(f"--output={output}: give a name that ends in {' or '.join(kinds)}")
    others = ("frames", "label", "truncation") if settings.task == "text" else ("temperature",)
    for name in others:
        if flag_values[name].value is not None:
            raise UserError(f"--{name}={flag_values[name].value}: means nothing for --task={settings.task}")
    if settings.task == "text" and flag_values.layout != "grid":
        raise UserError(f"--layout={flag_values.layout}: sentences stand one a line; leave it out")
    if flag_values.temperature is not None and not 0 < flag_values.temperature < 1e6:
        raise UserError(f"--temperature={flag_values.temperature:g}: must be above 0 and below a million")
    if flag_values.layout != "interpolation" and flag_values.frames is not None:
        raise UserError(f"--frames={flag_values.frames}: only --layout=interpolation has them")
    if flag_values.layout == "classes" and flag_values.label is not None:
        raise UserError(f"--label={flag_values.label}: --layout=classes shows every class; leave it out")
    if flag_values.truncation is not None and not flag_values.truncation > 0:
        raise UserError(f"--truncation={flag_values.truncation:g}: must be above 0")


def main(argv):
    flag_values = command.parse(argv, _define)
    workdir, output = command.required(flag_values, "workdir", "output")
    settings = config.load(workdir)
    _check(flag_values, settings, output)

    from tfdgan import trained

    task, sampler, step = trained.load(workdir, flag_values.step)
    write = _write_sentences if settings.task == "text" else _write_images
    number = write(task, sampler, step, flag_values, output)
    print(f"{output}: {number} samples of step {step}, {sampler.label}")


def _write_sentences(task, sampler, step, flag_values, output):
    from tfdgan import files

    del step
    sampler = sampler.at_temperature(flag_values.temperature or 1.0)
    texts = task.texts(sampler.samples(flag_values.num, flag_values.seed, "picture"))
    files.write_text(output, "".join(f"{text}\n" for text in texts))
    return len(texts)


def _write_images(task, sampler, step, flag_values, output):
    import numpy as np

    from tfdgan import files, pictures, sheets

    sheet = sheets.lay(
        sampler,
        flag_values.layout,
        flag_values.num,
        flag_values.seed,
        frames=flag_values.frames or 8,
        label=flag_values.label,
        truncation=flag_values.truncation,
    )
    samples = sampler.at(sheet.latents, sheet.labels)
    with files.replacing(output) as file:
        if output.endswith(".npz"):
            labels = {} if sheet.labels is None else {"labels": sheet.labels}
            np.savez(file, samples=pictures.as_stored(samples), latents=sheet.latents, step=step, **labels)
        else:
            picture = task.draw(samples, sheet.columns)
            if picture is None:
                raise UserError("these samples are neither images of 1 or 3 channels nor points of the plane; use .npz")
            file.write(pictures.to_png(picture))
    return len(samples)


if __name__ == "__main__":
    command.run(main, sys.argv)
