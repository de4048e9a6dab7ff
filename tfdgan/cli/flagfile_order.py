"""Flagfiles of a command line: the flags beside them win, wherever these stand."""

import re
from collections.abc import Sequence

from tfdgan.options.paths import expanded

_FLAGFILE = re.compile(r"--?flagfile(?:=(.*))?")


def files_first(argv: Sequence[str]) -> list[str]:
    """The command line with its flagfiles before all other flags. absl has the later one win, a file or not."""
    found, others = _split(argv)
    return [*argv[:1], *(f"--flagfile={name}" for name in found), *others]


def files(argv: Sequence[str]) -> list[str]:
    """The flagfiles that a command line names."""
    return _split(argv)[0]


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """(flagfiles, all other words but the first)."""
    found: list[str] = []
    others: list[str] = []
    rest = iter(argv[1:])
    for word in rest:
        match = _FLAGFILE.fullmatch(word)
        name = match and (match[1] if match[1] is not None else next(rest, None))
        if word == "--":
            others += [word, *rest]
        elif name:
            found.append(expanded("flagfile", name))
        else:
            others.append(word)
    return found, others
