"""Configurations by name: `--preset=cifar` is `--flagfile=.../configs/cifar.flags`, wherever the package lies."""

import pathlib
from collections.abc import Sequence

import tfdgan
from tfdgan.errors import UserError
from tfdgan.options.names import meant

_FLAG = "--preset"


def folder() -> pathlib.Path:
    """Where the configurations are: in an installed package, or beside the package in a checkout."""
    package = pathlib.Path(tfdgan.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def replaced(argv: Sequence[str]) -> list[str]:
    """The command line with a flagfile in place of a preset. Raises `UserError` for an unknown name, and for two."""
    found, given = [], []
    rest = iter(argv)
    for word in rest:
        if word == _FLAG or word.startswith(f"{_FLAG}="):
            given.append(next(rest, "") if word == _FLAG else word.removeprefix(f"{_FLAG}="))
            word = f"--flagfile={_path(given[-1])}"
        found.append(word)
    if len(given) > 1:
        raise UserError(f"--preset={given[1]}: a second one beside --preset={given[0]}; give one of them")
    return found


def _path(name: str) -> pathlib.Path:
    names = sorted(path.stem for path in folder().glob("*.flags"))
    if name not in names:
        stem = pathlib.PurePath(name).stem
        near = f"; did you mean --preset={stem}, or --flagfile={name}?" if stem in names else meant(name, names)
        raise UserError(f"--preset={name}: no such configuration{near}")
    return folder() / f"{name}.flags"
