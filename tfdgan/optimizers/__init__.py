"""Optimizers that Keras does not have."""

from tfdgan.optimizers.optimistic_adam import OptimisticAdam

__all__ = ["OptimisticAdam"]
