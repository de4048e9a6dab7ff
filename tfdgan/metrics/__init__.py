"""How good samples are, and how far learners are apart."""

from tfdgan.metrics.score import Score

__all__ = ["Score"]
