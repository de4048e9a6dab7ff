"""Pure functions from scores to losses. All are to be minimised."""

from tfdgan.objectives import wasserstein
from tfdgan.objectives.gradient_penalty import gradient_penalty

# Each module has critic_loss(real_scores, fake_scores) and generator_loss(fake_scores).
OBJECTIVES = {"wasserstein": wasserstein}

__all__ = ["OBJECTIVES", "gradient_penalty", "wasserstein"]
