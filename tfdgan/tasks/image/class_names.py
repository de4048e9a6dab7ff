"""Classes by their names."""

from collections.abc import Sequence

from tfdgan.errors import UserError
from tfdgan.options.names import meant


def number(label: str, names: Sequence[str], classes: int | None) -> int:
    """The number of the class that a user means.

    Args:
      label: a name or, where there is no such name, a number.
      names: of class 0, 1, ...; empty where they are not known.
      classes: how many there are; None if the generator knows none.

    Raises:
      UserError: there is no such class.
    """
    if classes is None:
        raise UserError(f"--label={label}: this generator knows no classes; train with --conditional")
    if label in names:
        return names.index(label)
    if label.isdecimal() and int(label) < classes:
        return int(label)
    numbers = f"give a number from 0 to {classes - 1}"
    if not names:
        raise UserError(f"--label={label}: no such class; {numbers}")
    raise UserError(f"--label={label}: no such class{meant(label, names, otherwise=f'; {numbers}, or a name')}")
