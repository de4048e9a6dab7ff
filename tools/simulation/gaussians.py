"""A GAN of a few hundred weights on a ring of Gaussians, gradients by hand, all learners at once."""

import numpy as np
from scipy import stats

_MODES, _RADIUS, _SPREAD = 8, 1.0, 0.1  # of the data
_LATENT, _HIDDEN, _FEATURES = 2, 16, 64
_EVALUATION = 10  # log2 of the latents of `mean_gradient`


class GaussiansGame:
    """min_theta max_w F = E_real f - E_z f(G(z)) - lambda / 2 |w|^2 with a critic that is linear in random features.

        f(y) = w . phi(y),   phi(y) = sqrt(2 / K) cos(y Omega + c)
        G(z) = tanh(z W1 + b1) W2 + b2

    Omega and c are drawn once and shared (Rahimi and Recht, "Random features for large-scale kernel machines", 2007),
    so the inner maximum is a squared maximum mean discrepancy, divided by 2 lambda: at an equilibrium the features'
    means agree. Real points lie around 8 centres on a circle of radius 1 with standard deviation .1; learner i's are
    moved by `offsets[i]`.

    x = (theta, w) is 82 + 64 numbers. A gradient is that of `batch` real points and latents of the learner's own.

    Args:
      offsets: float64 [n, 2], of the learners' data.
      batch: real points and latents a gradient, of each learner.
      sigma: standard deviation of noise on top of the batch's.
      decay: lambda.
    """

    def __init__(self, offsets, *, batch=16, sigma=0.0, decay=0.1, seed=0):
        random = np.random.default_rng([seed, 3])
        self._offsets, self._batch, self._sigma, self._decay = offsets, batch, sigma, decay
        self._omega = random.standard_normal((2, _FEATURES)) / 0.5
        self._phase = random.uniform(0, 2 * np.pi, _FEATURES)
        angles = 2 * np.pi * np.arange(_MODES) / _MODES
        self._centres = _RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        self._shapes = [(_LATENT, _HIDDEN), (_HIDDEN,), (_HIDDEN, 2), (2,), (_FEATURES,)]
        self._ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        self.dimension = int(self._ends[-1])
        scales = (1 / np.sqrt(_LATENT), 0.0, 1 / np.sqrt(_HIDDEN), 0.0, 0.0)
        self.start = np.concatenate(
            [scale * random.standard_normal(shape).ravel() for scale, shape in zip(scales, self._shapes, strict=True)]
        )
        # Even points of a square, made normal: as many random ones would put a floor of .04 under gradient norms.
        even = stats.qmc.Sobol(_LATENT, scramble=True, rng=random).random_base2(_EVALUATION)
        self._latents = stats.norm.ppf(even)[np.newaxis]
        self._real_mean = self._expected_features()

    def gradient(self, X, random):
        G = self.gradient_of_sample(X, *self.sample(len(X), random))
        return G + self._sigma * random.standard_normal(X.shape) if self._sigma else G

    def halves(self, X, random):
        parts = zip(*(np.split(sample, 2, axis=1) for sample in self.sample(len(X), random)), strict=True)
        G = np.stack([self.gradient_of_sample(X, *part) for part in parts])
        return G + np.sqrt(2) * self._sigma * random.standard_normal(G.shape) if self._sigma else G

    def mean_gradient(self, X):
        """The real side in closed form, the generated one over 1,024 fixed latents."""
        return np.concatenate([self._gradient(X[i : i + 1], self._real_mean, self._latents) for i in range(len(X))])

    def sample(self, learners, random):
        """(real [learners, batch, 2], latents [learners, batch, 2])."""
        modes = random.integers(_MODES, size=(learners, self._batch))
        real = self._centres[modes] + _SPREAD * random.standard_normal((learners, self._batch, 2))
        return real + self._offsets[:, np.newaxis], random.standard_normal((learners, self._batch, _LATENT))

    def value(self, X, real, latents):
        """F of each learner on its sample: [n]."""
        *theta, w = self._parts(X)
        fake = self._generate(theta, latents)[0]
        gap = self._features(real).mean(axis=1) - self._features(fake).mean(axis=1)
        return np.sum(gap * w, axis=1) - 0.5 * self._decay * np.sum(w**2, axis=1)

    def gradient_of_sample(self, X, real, latents):
        """[grad_theta F, -grad_w F] of each learner on its sample: [n, d]."""
        return self._gradient(X, self._features(real).mean(axis=1), latents)

    def _gradient(self, X, real_mean, z):
        W1, b1, W2, b2, w = self._parts(X)
        y, h = self._generate((W1, b1, W2, b2), z)
        angle = y @ self._omega + self._phase
        scale = np.sqrt(2 / _FEATURES)
        fake_mean = scale * np.cos(angle).mean(axis=1)
        # dF/dy of -mean_z w . phi(y): the cosine's derivative turns the sign.
        dy = (scale / z.shape[1]) * (np.sin(angle) * w[:, np.newaxis]) @ self._omega.T
        da = (dy @ W2.transpose(0, 2, 1)) * (1 - h**2)
        blocks = (
            z.transpose(0, 2, 1) @ da,
            da.sum(axis=1),
            h.transpose(0, 2, 1) @ dy,
            dy.sum(axis=1),
            -(real_mean - fake_mean - self._decay * w),
        )
        return np.concatenate([block.reshape(len(X), -1) for block in blocks], axis=1)

    def _parts(self, X):
        """W1 [n, 2, H], b1 [n, H], W2 [n, H, 2], b2 [n, 2], w [n, K]."""
        blocks = np.split(X, self._ends[:-1], axis=1)
        return [block.reshape(len(X), *shape) for block, shape in zip(blocks, self._shapes, strict=True)]

    def _generate(self, theta, z):
        W1, b1, W2, b2 = theta
        h = np.tanh(z @ W1 + b1[:, np.newaxis])
        return h @ W2 + b2[:, np.newaxis], h

    def _features(self, y):
        return np.sqrt(2 / _FEATURES) * np.cos(y @ self._omega + self._phase)

    def _expected_features(self):
        """E phi over all learners' data: [1, K]. E cos(a + s xi) = cos(a) exp(-s^2 / 2) for a standard normal xi."""
        angle = (self._centres[:, np.newaxis] + self._offsets) @ self._omega + self._phase
        damping = np.exp(-0.5 * _SPREAD**2 * np.sum(self._omega**2, axis=0))
        return (np.sqrt(2 / _FEATURES) * np.cos(angle).mean(axis=(0, 1)) * damping)[np.newaxis]
