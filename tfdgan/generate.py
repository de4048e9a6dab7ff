"""The command `python -m tfdgan.generate`: samples of the consensus generator: a picture, arrays or sentences; or
sentences of one's own in another style."""

import io
import os
import sys

from absl import flags

from tfdgan import command, flagfiles
from tfdgan.errors import UserError

_LAYOUTS = ("grid", "interpolation", "classes")
_NUMBER = 64


def _define(flag_values):
    command.define_workdir(flag_values)
    flags.DEFINE_integer(
        "num",
        None,
        "How many samples (default: 64); of interpolations: paths; of classes: samples each.",
        1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer("seed", None, "Of the latents (default: 0).", lower_bound=0, flag_values=flag_values)
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
        "input",
        None,
        "File of sentences to rewrite, one a line; without it they are read from standard input (style_transfer).",
        flag_values=flag_values,
    )
    flags.DEFINE_integer("to_style", None, "The style to rewrite them in.", 0, flag_values=flag_values)
    flags.DEFINE_string(
        "output",
        None,
        "A .png file, or a .npz file of samples, latents and labels; of sentences a .txt file, one a line, or, of "
        "rewritten ones, nothing: standard output.",
        flag_values=flag_values,
    )


_LATENTS = ("frames", "label", "truncation")
_REWRITING = ("input", "to_style")
_STRANGE = {  # flags that mean nothing to a task
    "image": ("temperature", *_REWRITING),
    "text": (*_LATENTS, *_REWRITING),
    "style_transfer": ("num", "seed", "temperature", *_LATENTS),
}
_KINDS = {"image": (".png", ".npz"), "text": (".txt",), "style_transfer": (".txt",)}


def _check(flag_values, settings):
    """Raise `UserError` unless the flags fit what the workdir generates."""
    output, kinds = flag_values.output, _KINDS[settings.task]
    if settings.task != "style_transfer":
        command.required(flag_values, "output")
    if output is not None and not output.endswith(kinds):
        raise UserError(f"--output={output}: give a name that ends in {' or '.join(kinds)}")
    for name in _STRANGE[settings.task]:
        if flag_values[name].value is not None:
            raise UserError(f"--{name}={flag_values[name].value}: means nothing for --task={settings.task}")
    if settings.task != "image" and flag_values.layout != "grid":
        raise UserError(f"--layout={flag_values.layout}: sentences stand one a line; leave it out")
    if settings.task == "style_transfer":
        command.required(flag_values, "to_style")
        path = os.path.expanduser(flag_values.input or ".")
        if flag_values.input is not None and (not os.path.exists(path) or os.path.isdir(path)):
            raise UserError(f"--input={flag_values.input}: no such file")
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
    (workdir,) = command.required(flag_values, "workdir")
    settings = flagfiles.load(workdir)
    _check(flag_values, settings)

    from tfdgan import trained

    task, sampler, step = trained.load(workdir, flag_values.step)
    write = {"image": _write_images, "text": _write_sentences, "style_transfer": _rewrite}[settings.task]
    number = write(task, sampler, step, flag_values)
    # Where sentences go to standard output nothing else may.
    stream = sys.stderr if flag_values.output is None else sys.stdout
    print(f"{flag_values.output or 'written'}: {number} samples of step {step}, {sampler.label}", file=stream)


def _rewrite(task, sampler, step, flag_values):
    from tqdm import tqdm

    from tfdgan import files
    from tfdgan.data import text_file

    del step
    style, styles = flag_values.to_style, sampler.generator.styles
    if style >= styles:
        raise UserError(f"--to_style={style}: there are the styles 0 to {styles - 1}")
    if flag_values.input is None:
        texts = text_file.tidy(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="replace"), blanks=True)
    else:
        texts = text_file.lines(os.path.expanduser(flag_values.input), f"--input={flag_values.input}", blanks=True)
    made = sampler(texts, [style] * len(texts), lambda chunks, length, what: tqdm(chunks, what, length, disable=None))
    lines = "".join(f"{text}\n" for text in made)
    if flag_values.output is None:
        try:
            sys.stdout.buffer.write(lines.encode())
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has seen enough; nor is what is left to be written at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        files.write_text(flag_values.output, lines)
    long = sum(len(text.split()) > task.config.sentence_length for text in texts)
    if long:
        print(f"note: {long} of {len(texts)} lines were read to word {task.config.sentence_length}", file=sys.stderr)
    return len(made)


def _write_sentences(task, sampler, step, flag_values):
    from tfdgan import files

    del step
    sampler = sampler.at_temperature(flag_values.temperature or 1.0)
    texts = task.texts(sampler.samples(flag_values.num or _NUMBER, flag_values.seed or 0, "picture"))
    files.write_text(flag_values.output, "".join(f"{text}\n" for text in texts))
    return len(texts)


def _write_images(task, sampler, step, flag_values):
    import numpy as np

    from tfdgan import files, pictures, sheets

    sheet = sheets.lay(
        sampler,
        flag_values.layout,
        flag_values.num or _NUMBER,
        flag_values.seed or 0,
        frames=flag_values.frames or 8,
        label=flag_values.label,
        truncation=flag_values.truncation,
    )
    samples = sampler.at(sheet.latents, sheet.labels)
    with files.replacing(flag_values.output) as file:
        if flag_values.output.endswith(".npz"):
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
