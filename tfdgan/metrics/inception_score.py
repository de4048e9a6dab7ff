"""The Inception Score: are samples recognisable, and of many kinds?"""

import numpy as np


def inception_score(
    counts: np.ndarray, negative_entropies: np.ndarray, probabilities: np.ndarray
) -> tuple[float, float]:
    """(mean, standard deviation) over splits of exp(mean_x KL(p(y|x) || p(y))).

    Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, equation 4. KL splits into the mean negative
    entropy of p(y|x) and the entropy of p(y), so sums suffice. The score of k classes is between 1 and k.

    Args:
      counts: [splits], samples of each split; splits without any are left out.
      negative_entropies: [splits], sums of sum_y p(y|x) log p(y|x).
      probabilities: [splits, k], sums of p(y|x).
    """
    filled = counts > 0
    counts, marginals = counts[filled], probabilities[filled] / counts[filled, np.newaxis]
    entropies = -np.sum(marginals * np.log(np.where(marginals > 0, marginals, 1.0)), axis=1)
    scores = np.exp(negative_entropies[filled] / counts + entropies)
    return float(scores.mean()), float(scores.std())
