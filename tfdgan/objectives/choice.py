"""Objectives and penalties by name."""

from collections.abc import Callable

import tensorflow as tf

from tfdgan.objectives import penalties
from tfdgan.objectives.base import Objective
from tfdgan.objectives.hinge import Hinge
from tfdgan.objectives.non_saturating import NonSaturating
from tfdgan.objectives.relativistic import Relativistic
from tfdgan.objectives.wasserstein import Wasserstein

OBJECTIVES: dict[str, type[Objective]] = {
    "wasserstein": Wasserstein,
    "hinge": Hinge,
    "non_saturating": NonSaturating,
    "relativistic": Relativistic,
}
PENALTIES: dict[str, Callable[[penalties.Critic, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "two_sided": penalties.two_sided,
    "one_sided": penalties.one_sided,
    "r1": penalties.r1,
    "r1_r2": penalties.r1_r2,
}
