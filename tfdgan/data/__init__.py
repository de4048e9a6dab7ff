"""Data by name: `load` gives a learner its shard as a `Source`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
