"""Paths as people write them."""

import os
import re

from tfdgan.errors import UserError

KINDS = ("folder", "file", "array", "tfrecord")  # of data that a path follows
_KIND = re.compile(rf"(?:{'|'.join(KINDS)}):")


def expanded(name: str, value: str) -> str:
    """The value of a path option with ~ and $VARIABLES replaced, behind folder:, file:, array: or tfrecord: too.

    Raises:
      UserError: a variable is not set, or there is no such user, and no such path as the value says.
    """
    kind = _KIND.match(value)
    begin = kind.end() if kind else 0
    if os.path.exists(value[begin:]):
        return value
    path = os.path.expanduser(os.path.expandvars(value[begin:]))
    if missing := re.search(r"\$(\w+|\{[^}]*\})", path):
        raise UserError(f"--{name}={value}: the variable {missing[1].strip('{}')} is not set")
    if path.startswith("~"):
        raise UserError(f"--{name}={value}: there is no user {path.split('/')[0][1:]} with a home folder")
    return value[:begin] + path
