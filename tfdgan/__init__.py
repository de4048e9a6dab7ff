"""Decentralised training of generative adversarial networks with Keras and Horovod.

The names below are loaded when they are first used, so importing the package loads no TensorFlow.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tfdgan import gossip as gossip
    from tfdgan import keras as keras
    from tfdgan import objectives as objectives
    from tfdgan import optimizers as optimizers
    from tfdgan import strategies as strategies
    from tfdgan import tasks as tasks
    from tfdgan.cli.fit import fit as fit
    from tfdgan.distributed.job import rank as rank
    from tfdgan.distributed.job import size as size
    from tfdgan.distributed.job import start as start
    from tfdgan.gossip.neighbor_exchange import mix as mix
    from tfdgan.gossip.topology import make_schedule as make_schedule
    from tfdgan.gossip.topology import mixing_matrix as mixing_matrix
    from tfdgan.optimizers.optimistic_adam import OptimisticAdam as OptimisticAdam

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["gossip", "keras", "objectives", "optimizers", "strategies", "tasks"],
    submod_attrs={
        "cli.fit": ["fit"],
        "distributed.job": ["rank", "size", "start"],
        "gossip.neighbor_exchange": ["mix"],
        "gossip.topology": ["make_schedule", "mixing_matrix"],
        "optimizers.optimistic_adam": ["OptimisticAdam"],
    },
)
