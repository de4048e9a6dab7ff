"""Between a `Config` and flags: those of the commands, and the flagfile that a workdir keeps."""

import dataclasses
import os

from absl import flags

from tfdgan.config import Config
from tfdgan.errors import UserError

FLAGFILE = "config.flags"


def define(flag_values):
    """Define a flag for every field of `Config`. None stands for "not given"."""
    for field in dataclasses.fields(Config):
        choices = f" One of {', '.join(field.metadata['choices'])}." if field.metadata["choices"] else ""
        text = f"{field.metadata['help']}{choices} (default: {field.default!r})"
        kind = {
            bool: flags.DEFINE_boolean,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            str: flags.DEFINE_string,
        }
        kind[field.type](field.name, None, text, flag_values=flag_values)


def given(flag_values):
    """The flags that were given, by name."""
    names = (field.name for field in dataclasses.fields(Config))
    return {name: flag_values[name].value for name in names if flag_values[name].value is not None}


def asked(flag_values):
    """The `Config` that the flags ask for.

    A workdir that was trained in, and at most flags beside it that may change when a run resumes, ask for its own.
    """
    values = given(flag_values)
    free = {field.name for field in dataclasses.fields(Config) if field.metadata["free"]}
    if "workdir" in values and free.issuperset(values) and os.path.isfile(os.path.join(values["workdir"], FLAGFILE)):
        return load(**values)
    return Config(**values)


def load(workdir, **changes):
    """The `Config` that a workdir was trained with, with `changes` to it."""
    path = os.path.join(workdir, FLAGFILE)
    if not os.path.isfile(path):
        raise UserError(f"--workdir={workdir}: nothing was trained there ({FLAGFILE} is missing)")
    flag_values = flags.FlagValues()
    define(flag_values)
    try:
        flag_values([path, f"--flagfile={path}"])
    except flags.Error as error:
        raise UserError(f"{path}: {error}") from error
    return Config(**{**given(flag_values), "workdir": workdir, **changes})


def differences(ours, theirs, *, ignore):
    """Lines 'name: theirs -> ours' for every field that differs, except those whose metadata has `ignore`."""
    return [
        f"{field.name}: {getattr(theirs, field.name)} -> {getattr(ours, field.name)}"
        for field in dataclasses.fields(Config)
        if not field.metadata[ignore] and getattr(ours, field.name) != getattr(theirs, field.name)
    ]
