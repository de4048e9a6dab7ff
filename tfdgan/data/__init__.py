"""Data by name: `load` gives a learner its shard as a `Source`."""

from tfdgan.data.load import load
from tfdgan.data.source import ArraySource, RecordSource, from_user

__all__ = ["ArraySource", "RecordSource", "from_user", "load"]
