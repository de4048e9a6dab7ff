"""How a trainer weighs generated samples in the critic's loss."""

import dataclasses

import tensorflow as tf

from tfdgan import objectives
from tfdgan.objectives import reweighting


@dataclasses.dataclass(frozen=True)
class Reweighting:
    """w = softmax(f / temperature), or softmax(spread f / std(f)), over a batch of scores f.

    Attributes:
      temperature: used without a spread.
      spread: standard deviation of the exponents; 0: none is kept.
    """

    temperature: float = 1.0
    spread: float = 0.0

    def temperature_of(self, scores: tf.Tensor) -> float | tf.Tensor:
        """The temperature for a batch of scores."""
        return self.temperature_by(*reweighting.moments(scores)) if self.spread else self.temperature

    def temperature_by(self, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        """The temperature for scores of these moments, where a spread is kept."""
        return reweighting.temperature_of_spread(mean, variance, self.spread)

    def weights(self, scores: tf.Tensor, temperature: float | tf.Tensor | None = None) -> tf.Tensor:
        """w, whose sums are exact; at another temperature if one is given."""
        temperature = self.temperature_of(scores) if temperature is None else temperature
        return objectives.summing_exactly(objectives.sample_weights(scores, temperature))
