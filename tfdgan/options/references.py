"""The user's own code, named by a text `package.module:name`."""

import importlib
import importlib.util
import os
import sys
from typing import Any

from tfdgan.errors import UserError
from tfdgan.options.option import Options
from tfdgan.options.paths import KINDS


def is_reference(name: str) -> bool:
    """True for `package.module:name`, but not for folder:name and its like."""
    module, colon, attribute = name.partition(":")
    if module in KINDS:
        return False
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def named_in(options: Options) -> bool:
    """True if an option names the user's own code."""
    return any(isinstance(value, str) and is_reference(value) for value in vars(options).values())


def check(option: str, name: str) -> None:
    """Raise `UserError` unless the module of `package.module:name` can be found; nothing of the module is run."""
    _import_from_here()
    module = name.partition(":")[0]
    parent = module.rpartition(".")[0]
    try:
        found = importlib.util.find_spec(module)
    except ImportError as error:
        raise UserError(f"--{option}={name}: cannot import {parent!r} ({error})") from error
    if found is None:
        raise UserError(f"--{option}={name}: no module {module!r} on the Python path or in this folder")


def load(option: str, name: str) -> Any:
    """The object that `package.module:name` names. Raises `UserError` if there is none."""
    _import_from_here()
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"--{option}={name}: {error}") from error


def _import_from_here() -> None:
    """Put the current folder on Python's path, as `python -m` does; an installed script or a launcher may not do so."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
