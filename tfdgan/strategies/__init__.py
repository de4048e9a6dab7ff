"""How gradients become new weights, alone or together: a strategy a file, the contract `Strategy` in `base`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
