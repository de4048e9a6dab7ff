"""The Frechet distance between two sets of features."""

import numpy as np
import scipy.linalg


class Moments:
    """Mean and covariance of features that come in batches: float64, memory d^2 whatever the number."""

    def __init__(self):
        self.count, self._sum, self._products = 0, 0.0, 0.0

    def add(self, features):
        """Take in features [n, d]."""
        features = np.asarray(features, np.float64)
        self.count += len(features)
        self._sum = self._sum + features.sum(axis=0)
        self._products = self._products + features.T @ features

    @property
    def mean(self):
        return self._sum / self.count

    @property
    def covariance(self):
        """The unbiased estimate, [d, d]."""
        return (self._products - self.count * np.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(a, b):
    """|mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of two `Moments`.

    Heusel et al., "GANs trained by a two time-scale update rule", NeurIPS 2017, equation 6. The trace of the root is
    that of (C_a^(1/2) C_b C_a^(1/2))^(1/2), symmetric, so singular covariances need no offset.
    """
    values, vectors = scipy.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    inner = scipy.linalg.eigvalsh(root @ b.covariance @ root)
    trace = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.clip(inner, 0, None)).sum()
    return float(np.sum(np.square(a.mean - b.mean)) + trace)
