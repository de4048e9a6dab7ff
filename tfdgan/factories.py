"""The user's own code, named on the command line as `package.module:name`."""

import importlib
import importlib.util
import os
import sys

from tfdgan.errors import UserError


def is_reference(name):
    """True for `package.module:name`."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def check(flag, name):
    """Raise `UserError` unless the module of `package.module:name` can be found; nothing of it is run."""
    _import_from_here()
    module = name.partition(":")[0]
    parent = module.rpartition(".")[0]
    try:
        found = importlib.util.find_spec(module)
    except ImportError as error:
        raise UserError(f"--{flag}={name}: cannot import {parent!r} ({error})") from error
    if found is None:
        raise UserError(f"--{flag}={name}: no module {module!r} on the Python path or in this folder")


def load(flag, name):
    """The object that `package.module:name` names."""
    _import_from_here()
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"--{flag}={name}: {error}") from error


def _import_from_here():
    """`python -m` puts the current folder on the path; an installed script or a launcher may not."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
