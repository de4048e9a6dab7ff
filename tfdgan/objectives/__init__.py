"""The payoff of the game: pure functions from scores to losses, and the contract `Objective` in `base`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
