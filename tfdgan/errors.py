"""The exceptions that a user is meant to read."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message is one line: what, its value, what to do.

    Commands print it once, from rank 0, and end with exit code 2.
    """

    # tf.function re-raises what tracing raises as its own type only if that type has this very constructor.
    __init__ = Exception.__init__


class TrainingFault(RuntimeError):
    """Training itself went wrong (NaN or Inf in a loss or a gradient). Commands end with exit code 1."""
