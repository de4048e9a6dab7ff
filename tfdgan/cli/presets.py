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
    """The command line with a flagfile in place of each preset. Raises `UserError` for an unknown name."""
    found = []
    rest = iter(argv)
    for word in rest:
        if word == _FLAG:
            word = f"{_FLAG}={next(rest, '')}"
        found.append(f"--flagfile={_path(word.removeprefix(f'{_FLAG}='))}" if word.startswith(f"{_FLAG}=") else word)
    return found


def _path(name: str) -> pathlib.Path:
    names = sorted(path.stem for path in folder().glob("*.flags"))
    if name not in names:
        stem = pathlib.PurePath(name).stem
        near = f"; did you mean --preset={stem}, or --flagfile={name}?" if stem in names else meant(name, names)
        raise UserError(f"--preset={name}: no such configuration{near}")
    return folder() / f"{name}.flags"
