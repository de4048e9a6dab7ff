"""The job of learners: its start, ranks, and the collectives outside training steps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
