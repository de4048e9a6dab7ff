"""Sums over an extractor's outputs, from which scores are computed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

SPLITS = 10  # of the Inception Score


class Tally:
    """Sums over samples. The sums over parts of the samples add up to the sums over all, whoever has counted them.

    Memory: d^2 float64 for the moments, whatever the number of samples, and `keep` features in float32.

    Args:
      number: samples in all.
      features, classes: d and k, the lengths of pool_3 and logits.
      keep: how many samples' features are kept whole; which samples they are depends on `number` alone.

    Attributes:
      arrays: {name: array} of the sums: count [], sum [d] and products [d, d] of features; counts and
        negative_entropies [splits], probabilities [splits, k], for the Inception Score; confidence [], the sum of the
        samples' largest probabilities; predicted [k], for how many samples a class has it; kept [keep, d].
    """

    def __init__(self, number: int, features: int, classes: int, keep: int = 0) -> None:
        chosen = np.random.default_rng(0).choice(number, min(keep, number), replace=False)
        self._row = np.full(number, -1)
        self._row[chosen] = np.arange(len(chosen))
        self.arrays: dict[str, np.ndarray] = {
            "count": np.zeros(()),
            "sum": np.zeros(features),
            "products": np.zeros((features, features)),
            "counts": np.zeros(SPLITS),
            "negative_entropies": np.zeros(SPLITS),
            "probabilities": np.zeros((SPLITS, classes)),
            "confidence": np.zeros(()),
            "predicted": np.zeros(classes),
            "kept": np.zeros((len(chosen), features), np.float32),
        }

    def add(self, outputs: Mapping[str, Any], first: int) -> None:
        """Add {"pool_3": [n, d], "logits": [n, k]} of the samples number first, ..., first + n - 1."""
        features, logits = np.asarray(outputs["pool_3"]), np.asarray(outputs["logits"], np.float64)
        numbers, sums = np.arange(first, first + len(features)), self.arrays
        rows = self._row[numbers]
        sums["kept"][rows[rows >= 0]] = features[rows >= 0]
        features = features.astype(np.float64)
        sums["count"] += len(features)
        sums["sum"] += features.sum(axis=0)
        sums["products"] += features.T @ features
        logs = logits - logits.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        probabilities, splits = np.exp(logs), numbers * SPLITS // len(self._row)
        np.add.at(sums["counts"], splits, 1)
        np.add.at(sums["negative_entropies"], splits, (probabilities * logs).sum(axis=1))
        np.add.at(sums["probabilities"], splits, probabilities)
        sums["confidence"] += probabilities.max(axis=1).sum()
        np.add.at(sums["predicted"], logits.argmax(axis=1), 1)
