"""Pure functions from scores to losses. All are to be minimised but for `clipped_ratio_surrogate`."""

from tfdgan.objectives import hinge, non_saturating, penalties, relativistic, wasserstein
from tfdgan.objectives.ratio_clipping import clip_fraction, clipped_ratio_surrogate, probability_ratio
from tfdgan.objectives.reweighting import effective_sample_size, log_mass, sample_weights, summing_exactly

# Each module has critic_loss(real_scores, fake_scores) and generator_loss(fake_scores); relativistic's takes real
# scores too.
OBJECTIVES = {
    "wasserstein": wasserstein,
    "hinge": hinge,
    "non_saturating": non_saturating,
    "relativistic": relativistic,
}

# Each is a function (critic, real, fake, alpha) -> scalar.
PENALTIES = {"two_sided": penalties.two_sided, "one_sided": penalties.one_sided, "r1": penalties.r1}

__all__ = [
    "OBJECTIVES",
    "PENALTIES",
    "clip_fraction",
    "clipped_ratio_surrogate",
    "effective_sample_size",
    "hinge",
    "log_mass",
    "non_saturating",
    "penalties",
    "probability_ratio",
    "relativistic",
    "sample_weights",
    "summing_exactly",
    "wasserstein",
]
