"""Gossip for a Keras model's own `fit`: the callback `Gossip`, and `shard` for its data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
