from .adversarial import AdversarialTrainer as AdversarialTrainer
from .clipped_ratio import ClippedRatioTrainer as ClippedRatioTrainer
from .trainer import Trainer as Trainer
