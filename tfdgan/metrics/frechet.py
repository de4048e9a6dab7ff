"""The Frechet distance between two sets of features."""

import dataclasses

import numpy as np
import scipy.linalg


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and covariance of features, from sums in float64.

    Attributes:
      count: how many.
      sum: [d], sum of x.
      products: [d, d], sum of x x^T.
    """

    count: float
    sum: np.ndarray
    products: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """[d]."""
        return self.sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased estimate, [d, d]."""
        return (self.products - self.count * np.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of two `Moments`.

    Heusel et al., "GANs trained by a two time-scale update rule", NeurIPS 2017, equation 6. The trace of the root is
    that of (C_a^(1/2) C_b C_a^(1/2))^(1/2), symmetric, so singular covariances need no offset.
    """
    values, vectors = scipy.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    inner = scipy.linalg.eigvalsh(root @ b.covariance @ root)
    trace = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.clip(inner, 0, None)).sum()
    return float(np.sum(np.square(a.mean - b.mean)) + trace)
