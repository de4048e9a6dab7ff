"""The exceptions that a user is meant to read."""

import re

_OPTION = re.compile(r"(?<![\w-])--(?=[a-z])")


class UserError(ValueError):
    """Something the user gave cannot be used. The message is one line: what, the value, what to do.

    Messages name options as flags, `--steps=0`. `str(error)` names them as Python's arguments, `steps=0`; `as_flags`
    gives the message as it was written. Commands print `as_flags` once, from one learner, and end with exit code 2.
    """

    # tf.function raises an error from tracing again with its own type only if the type has exactly this constructor.
    __init__ = Exception.__init__

    def __str__(self) -> str:
        return _OPTION.sub("", super().__str__())

    def as_flags(self) -> str:
        """The message for somebody who gave flags."""
        return super().__str__()


class SharedError(UserError):
    """A `UserError` that every learner raises at the same place. Only learner 0 has to print it."""


class DiskError(SharedError):
    """A `SharedError` of a file that some learner could not write or read, such as "No space left on device"."""


class TrainingFault(RuntimeError):
    """Training went wrong on every learner alike: NaN or Inf somewhere. Commands end with exit code 1."""


class JobOver(Exception):
    """The job in which this process wanted a place has ended. The message says how. Commands end with exit code 0."""


class LocalFault(RuntimeError):
    """This learner cannot go on, for reasons that the others may not know, so each prints its own. Exit code 1."""
