"""The exceptions that a user is meant to read."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message is one line: what, its value, what to do.

    Commands print it once, from rank 0, and end with exit code 2.
    """

    # tf.function re-raises what tracing raises as its own type only if that type has this very constructor.
    __init__ = Exception.__init__


class SharedError(UserError):
    """A `UserError` that every learner raises at the same place: rank 0's line is enough."""


class TrainingFault(RuntimeError):
    """Training itself went wrong on every learner alike (NaN or Inf somewhere). Commands end with exit code 1."""


class LocalFault(RuntimeError):
    """Training cannot go on on this learner, for reasons the others may not know: each says its own. Exit code 1."""
