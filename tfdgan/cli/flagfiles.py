"""Between options and flags: the flags of the commands, and the flagfile that a workdir keeps."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from tfdgan.cli import flag_errors, flagfile_order
from tfdgan.cli.config import config_class
from tfdgan.errors import UserError
from tfdgan.options import Options, flag
from tfdgan.options.paths import KINDS, expanded
from tfdgan.tasks.options import TaskOptions

FLAGFILE = "config.flags"
OWN_PIECES = "own_pieces.json"  # names of what the flags cannot name
_KINDS: dict[Any, Callable] = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define(flag_values: flags.FlagValues, kind: type[Options]) -> None:
    """Define a flag for every option of `kind` that has none yet. None stands for "not given"."""
    for field in dataclasses.fields(kind):
        if field.name in flag_values:
            continue
        choices = f" One of {', '.join(field.metadata['choices'])}." if field.metadata["choices"] else ""
        text = f"{field.metadata['help']}{choices} (default: {field.default!r})"
        _KINDS[field.type](field.name, None, text, flag_values=flag_values)


def given(flag_values: flags.FlagValues, kind: type[Options]) -> dict[str, Any]:
    """{name: value} of the options that were given as flags, with paths expanded."""
    found = {field: flag_values[field.name].value for field in dataclasses.fields(kind)}
    return {
        field.name: expanded(field.name, value) if field.metadata["path"] else value
        for field, value in found.items()
        if value is not None
    }


def task_asked(argv: Sequence[str]) -> str | None:
    """The task that a command line names, by --task or by a --workdir that was trained for one; None without."""
    first = flags.FlagValues()
    for name in ("task", "workdir"):
        flags.DEFINE_string(name, None, "", flag_values=first)
    try:
        first(flagfile_order.files_first(argv), known_only=True)
    except flag_errors.CAUGHT:  # the whole command line is parsed next, and says what is wrong
        return None
    path = os.path.join(expanded("workdir", first.workdir or ""), FLAGFILE)
    if first.task is None and first.workdir and os.path.isfile(path):
        return _task_in(path)
    return first.task


def kind_asked(argv: Sequence[str]) -> type[TaskOptions]:
    """The class of options that a command line asks for."""
    return config_class(task_asked(argv))


def asked(values: dict[str, Any], kind: type[TaskOptions]) -> TaskOptions:
    """The options that flags ask for; `values`: those that were given.

    Flags that name a workdir, and beside it only options that may change when a run resumes, ask for the options with
    which that workdir was trained.
    """
    free = {field.name for field in dataclasses.fields(kind) if field.metadata["free"]}
    if "workdir" in values and free.issuperset(values) and os.path.isfile(os.path.join(values["workdir"], FLAGFILE)):
        return load(**values)
    return kind(**values)


def load(workdir: str, **changes: Any) -> TaskOptions:
    """The options with which a workdir was trained, with `changes`. Raises `UserError` if nothing was trained there."""
    path = os.path.join(workdir, FLAGFILE)
    if not os.path.isfile(path):
        raise UserError(f"--workdir={workdir}: nothing was trained there ({FLAGFILE} is missing)")
    found = read(path, workdir=workdir, **changes)
    if "dataset" in changes:
        _check_moved(found.dataset, read(path).dataset, workdir)
    return found


def read(path: str, **changes: Any) -> TaskOptions:
    """The options of a flagfile, such as those of configs/, with `changes`."""
    kind, flag_values = config_class(_task_in(path)), flags.FlagValues()
    define(flag_values, kind)
    _take(flag_values, path)
    for name in sorted(set(changes) - set(kind.names())):
        raise UserError(f"--{name}={changes[name]}: means nothing for the task of {path}")
    return kind(**{**given(flag_values, kind), **changes})


def _check_moved(now: str, before: str, workdir: str) -> None:
    """Raise `UserError` if a dataset cannot be what a workdir was trained on, in another place."""
    kind, is_path, _ = before.partition(":")
    if now != before and (not is_path or kind not in KINDS or now.partition(":")[0] != kind):
        raise UserError(
            f"--dataset={now}: {workdir} was trained on {before}; give the place where the same data lie now"
        )


def write(options: Options) -> str:
    """The flagfile that makes these options again: a line for each of them that is kept with a run."""
    return "".join(f"{flag(name, value)}\n" for name, value in values(options, ignore="once").items())


def differences(ours: Options, theirs: Options, *, ignore: str) -> list[str]:
    """Lines 'name: theirs -> ours' for every option that differs, except those whose metadata has `ignore`."""
    return changes(values(theirs, ignore=ignore), values(ours, ignore=ignore))


def values(options: Options, *, ignore: str) -> dict[str, Any]:
    """{name: value} of all options but those whose metadata has `ignore`."""
    return {f.name: getattr(options, f.name) for f in dataclasses.fields(options) if not f.metadata[ignore]}


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Lines 'name: old -> new' for every item of `new` that `old` has not, or has with another value."""
    return [f"{name}: {old.get(name)} -> {value}" for name, value in new.items() if value != old.get(name)]


def _task_in(path: str) -> str | None:
    """The task that a flagfile names."""
    found = flags.FlagValues()
    flags.DEFINE_string("task", None, "", flag_values=found)
    _take(found, path, known_only=True)
    return found.task


def _take(flag_values: flags.FlagValues, path: str, known_only: bool = False) -> None:
    """Set the flags that a flagfile gives."""
    try:
        flag_values([path, f"--flagfile={path}"], known_only=known_only)
    except flag_errors.CAUGHT as error:
        raise UserError(f"{path}: {flag_errors.of(error, flag_values, [path]).as_flags()}") from error
