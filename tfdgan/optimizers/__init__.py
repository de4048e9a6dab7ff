"""Optimizers and learning rates that Keras does not have."""

from tfdgan.optimizers.linear_decay import LinearDecay
from tfdgan.optimizers.optimistic_adam import OptimisticAdam

__all__ = ["LinearDecay", "OptimisticAdam"]
