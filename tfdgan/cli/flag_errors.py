"""Flags that cannot be taken: what absl says of them, in this package's words."""

import re
from collections.abc import Iterable, Sequence

from absl import flags

from tfdgan.errors import UserError
from tfdgan.options.names import meant

CAUGHT = (flags.Error, UnicodeDecodeError)  # what absl raises of a command line, and of a flagfile that is no text


def of(error: Exception, known: Iterable[str] = (), flagfiles: Sequence[str] = ()) -> UserError:
    """The error for the user.

    Args:
      error: one of `CAUGHT`.
      known: names of flags, of which one may have been meant.
      flagfiles: those of the command line.
    """
    if isinstance(error, UnicodeDecodeError):
        path = next(filter(_is_no_text, flagfiles), f"{', '.join(flagfiles)}, or a file named there")
        return UserError(f"--flagfile={path}: is no text in UTF-8 ({error.reason} at byte {error.start})")
    if isinstance(error, flags.CantOpenFlagFileError) and isinstance(cause := error.__context__, OSError):
        return UserError(f"--flagfile={cause.filename}: cannot be read ({cause.strerror})")
    if isinstance(error, flags.UnrecognizedFlagError):
        name = error.flagname
        if name == "preset":
            return UserError("--preset: on the command line of train alone; elsewhere give --flagfile=FILE")
        return UserError(f"--{name}: no such flag{meant(name, known, otherwise='; --help lists them', prefix='--')}")
    text = str(error).replace("\n", " ")
    if found := re.match(r"flag --(\w+)=(.*?): (.*)", text):
        return _of_value(*found.groups())
    return UserError(text)


def _of_value(name: str, value: str, why: str) -> UserError:
    if "invalid literal for int()" in why:
        return UserError(f"--{name}={value}: give a whole number")
    if "could not convert string to float" in why:
        return UserError(f"--{name}={value}: give a number")
    if "Non-boolean argument to boolean flag" in why:
        return UserError(f"--{name}={value}: give true or false, or --{name} and --no{name}")
    return UserError(f"--{name}={value}: {why}")


def _is_no_text(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            file.read()
    except UnicodeDecodeError:
        return True
    except OSError:
        return False
    return False
