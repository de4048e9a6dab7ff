"""Classes by their names."""

import hashlib
import json
from collections.abc import Sequence

from tfdgan.data.labels import shown
from tfdgan.errors import UserError
from tfdgan.options.names import meant

_SHOWN = 12  # names in an error


def number(label: str, names: Sequence[str], classes: int | None) -> int:
    """The number of the class that a user means.

    Args:
      label: a name; or a number from 0 on, where no name is a whole number.
      names: of class 0, 1, ...; empty where they are not known.
      classes: how many there are; None if the generator knows none.

    Raises:
      UserError: there is no such class.
    """
    if classes is None:
        raise UserError(f"--label={label}: this generator knows no classes; train with --conditional")
    if label in names:
        return names.index(label)
    by_number = not any(name.isdecimal() for name in names)
    if by_number and label.isdecimal() and int(label) < classes:
        return int(label)
    some = ", ".join([*map(shown, names[:_SHOWN]), *(["..."] if len(names) > _SHOWN else [])])
    known = [f"a number from 0 to {classes - 1}"] * by_number + [f"one of {some}"] * bool(names)
    otherwise = f"; give {', or '.join(known)}"
    raise UserError(f"--label={label}: no such class{meant(label, names, otherwise)}")


def digest(names: Sequence[str]) -> str:
    """A hash of the names in their order; "" without names."""
    return hashlib.blake2b(json.dumps(list(names)).encode(), digest_size=12).hexdigest() if names else ""
