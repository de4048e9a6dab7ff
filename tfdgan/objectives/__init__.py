"""Pure functions from scores to losses. All are to be minimised."""

from tfdgan.objectives.gradient_penalty import gradient_penalty
from tfdgan.objectives.wasserstein import critic_loss, generator_loss

__all__ = ["critic_loss", "generator_loss", "gradient_penalty"]
