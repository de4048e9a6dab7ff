"""Pure functions from scores to losses. All are to be minimised."""

from tfdgan.objectives import hinge, non_saturating, penalties, wasserstein

# Each module has critic_loss(real_scores, fake_scores) and generator_loss(fake_scores).
OBJECTIVES = {"wasserstein": wasserstein, "hinge": hinge, "non_saturating": non_saturating}

# Each is a function (critic, real, fake, alpha) -> scalar.
PENALTIES = {"two_sided": penalties.two_sided, "one_sided": penalties.one_sided, "r1": penalties.r1}

__all__ = ["OBJECTIVES", "PENALTIES", "hinge", "non_saturating", "penalties", "wasserstein"]
