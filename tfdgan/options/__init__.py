"""What an option is, and objects that options name. Loads neither TensorFlow nor Horovod."""

from tfdgan.options.option import Options, Other, flag, option

__all__ = ["Options", "Other", "flag", "option"]
