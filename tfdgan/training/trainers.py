"""The trainers by their names."""

from tfdgan.training.adversarial import AdversarialTrainer
from tfdgan.training.clipped_ratio import ClippedRatioTrainer

_TRAINERS = {"adversarial": AdversarialTrainer, "clipped_ratio": ClippedRatioTrainer}


def make(config, generator, critic, noise, size):
    """The trainer that `config.trainer` names; arguments as `Trainer` takes them."""
    return _TRAINERS[config.trainer](generator, critic, config, noise, size)
