"""The kernel distance between two sets of features (KID, where they are Inception's)."""

import numpy as np

SUBSETS, SUBSET_SIZE = 100, 1000


def kernel_distance(
    a: np.ndarray, b: np.ndarray, subsets: int = SUBSETS, size: int = SUBSET_SIZE, seed: int = 0
) -> tuple[float, float]:
    """(mean, standard deviation) over subsets of the unbiased squared MMD under the kernel (x . y / d + 1)^3.

    Binkowski et al., "Demystifying MMD GANs", ICLR 2018, equation 4 and appendix A.

    Args:
      a, b: features [n, d], [m, d].
      subsets: how many pairs of random subsets, drawn without replacement.
      size: features in each subset; n or m if that is less.
      seed: of the subsets.

    Raises:
      ValueError: fewer than 2 features.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    size, random = min(size, len(a), len(b)), np.random.default_rng(seed)
    if size < 2:
        raise ValueError(f"kernel distance: {size} features are too few; give at least 2 of each")
    values = [
        squared_mmd(a[random.choice(len(a), size, replace=False)], b[random.choice(len(b), size, replace=False)])
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased estimate of the squared MMD for features [n, d] and [n, d], equally many."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1.0) ** 3

    n = len(a)
    within = sum((K.sum() - np.trace(K)) / (n * (n - 1)) for K in (kernel(a, a), kernel(b, b)))
    return within - 2.0 * kernel(a, b).mean()
