"""The trainers by their names."""

from tfdgan.training.adversarial import AdversarialTrainer
from tfdgan.training.clipped_ratio import ClippedRatioTrainer
from tfdgan.training.style_transfer import StyleTransferTrainer

_TRAINERS = {"adversarial": AdversarialTrainer, "clipped_ratio": ClippedRatioTrainer}


def make(config, generator, critic, noise, size):
    """The trainer that `config.trainer` names, the task's own where it has one; arguments as `Trainer` takes them."""
    kind = StyleTransferTrainer if config.task == "style_transfer" else _TRAINERS[config.trainer]
    return kind(generator, critic, config, noise, size)
